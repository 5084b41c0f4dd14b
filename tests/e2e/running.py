"""`./waystation up` as a process of its own, in a folder and on ports of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runtime.settings import TREE
from tests.ports import free_port
from tests.waiting import eventually

PORTS = ("WAYSTATION_API_PORT", "WAYSTATION_MQTT_PORT", "WAYSTATION_NATS_PORT")


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    body: Any


def new_settings(var_dir: Path, stations: int = 12) -> dict[str, str]:
    """Settings for a hub of its own, on ports of its own."""
    ports = {name: str(free_port()) for name in PORTS}
    return {"WAYSTATION_VAR_DIR": str(var_dir), "WAYSTATION_STATIONS": str(stations), **ports}


class Running:
    """One hub that runs."""

    def __init__(self, settings: Mapping[str, str], folder: Path, *options: str) -> None:
        self.settings = dict(settings)
        self.log = folder / "terminal.log"
        self._output = self.log.open("wb")
        self.process = subprocess.Popen(
            [str(TREE / "waystation"), "up", *options],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        """What the terminal shows."""
        return self.log.read_text(encoding="utf-8")

    def wait_until_up(self, timeout_s: float = 90.0) -> None:
        def up() -> bool:
            assert self.process.poll() is None, self.said
            return "Waystation is up." in self.said

        eventually(up, timeout_s, every_s=0.1, saying="up")

    def find(self, pattern: str) -> str:
        """The first group of a pattern in what was said."""
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found[1]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask the API; a header named `Idempotency_Key` goes out as `Idempotency-Key`."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.settings["WAYSTATION_API_PORT"]), timeout=10
        )
        with contextlib.closing(connection):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                sent["Content-Type"] = "application/json"
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            text = response.read()
        return Answer(response.status, json.loads(text) if text.startswith((b"{", b"[")) else text)

    def stations(self) -> list[dict[str, Any]]:
        """Every station as the API tells it."""
        answer = self.ask("GET", "/api/v1/stations?limit=200")
        assert answer.status == 200, answer
        items: list[dict[str, Any]] = answer.body["items"]
        return items

    def processes(self) -> list[str]:
        """Command lines of all processes that belong to this hub."""
        return processes_of(self.settings["WAYSTATION_VAR_DIR"])

    def stop(self, number: int = signal.SIGINT, timeout_s: float = 10.0) -> int:
        """Press Ctrl-C and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End whatever is left."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with other settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WAYSTATION_")}
    return {**kept, **settings}


def command(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "runtime", *arguments],
        cwd=TREE,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )


def processes_of(var_dir: str) -> list[str]:
    """Command lines of living processes whose settings or arguments name this folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            mark = f"WAYSTATION_VAR_DIR={var_dir}".encode()
            ours = mark in (folder / "environ").read_bytes().split(b"\0") or var_dir.encode() in words
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if ours and state != "Z" and int(folder.name) != os.getpid():
                found.append(f"{folder.name} {words.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


@contextlib.contextmanager
def running(settings: Mapping[str, str], folder: Path, *options: str) -> Iterator[Running]:
    """A hub that is up until the block ends."""
    hub = Running(settings, folder, *options)
    try:
        hub.wait_until_up()
        yield hub
    finally:
        hub.close()
