"""Stopping: at once, also with live pages open, and without a traceback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from api.server import CannotListen, listen
from storage.database import Database
from tests.api.conftest import TREE, World
from tests.api.serving import EventClient, serving
from tests.ports import free_port
from tests.waiting import eventually

PROGRAM = """
import sys
from api.server import serve
from storage.database import open_database
from tests.api.conftest import World
world = World(open_database(sys.argv[1]))
world.build()
serve(world.app, "127.0.0.1", int(sys.argv[2]))
print("ended well")
"""


def ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx2.ConnectError:
        return False


@pytest.mark.integration
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_at_once_with_live_pages_open(
    db: Database, sqlite_url: str, sig: signal.Signals
) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, sqlite_url, str(port)],
        cwd=TREE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: ready(port) or process.poll() is not None, 20, every_s=0.1)
        clients = [EventClient(port, "/api/v1/live") for _ in range(3)]
        for client in clients:
            assert client.head().startswith("HTTP/1.1 200")
            client.until("snapshot")
        begun_s = time.monotonic()
        process.send_signal(sig)
        out, err = process.communicate(timeout=10)
        took_s = time.monotonic() - begun_s
        assert process.returncode == 0
        assert took_s < 2
        assert "ended well" in out
        assert "Traceback" not in err
        for client in clients:
            while client.next() is not None:
                pass
            client.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.integration
def test_what_cannot_go_on_ends_the_process(db: Database) -> None:
    world = World(db)
    world.build()

    def breaks() -> None:
        raise ZeroDivisionError

    with serving(world.app) as served:
        world.state.board.look = breaks  # type: ignore[method-assign, assignment]
        world.state.feed.wake()
        served.thread.join(5)
        assert not served.thread.is_alive()
    assert world.state.stopping.failure is not None


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(CannotListen, match=f"Port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
