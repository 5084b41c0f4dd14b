"""An InfluxDB of one's own, that cannot outlive the tests, or one that somebody else runs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from storage.influx import InfluxAt
from storage.influx_setup import prepare
from tests import containers
from tests.ports import free_port
from tests.waiting import eventually

URL = "WAYSTATION_TEST_INFLUX_URL"
TOKEN = "WAYSTATION_TEST_INFLUX_TOKEN"
CACHE = Path.home() / ".cache" / "waystation"

# Ends the server as soon as standard input closes, so also when the tests are killed.
KEEPER = """
"$@" >"$FOLDER/log" 2>&1 </dev/null &
echo $!
cat >/dev/null
kill -KILL $! 2>/dev/null
wait $!
"""


class InfluxServer:
    """A server that tests may kill, freeze and start again; its files stay until `remove`."""

    def __init__(self, program: Path, folder: Path | None = None) -> None:
        self._program = program
        self.folder = folder or Path(tempfile.mkdtemp(prefix="influx-"))
        self.port = free_port()
        self._keeper: subprocess.Popen[str] | None = None
        self.pid = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._keeper = subprocess.Popen(
            [
                "/bin/sh", "-c", KEEPER, "keeper", str(self._program), "run",
                "--bolt-path", str(self.folder / "bolt"), "--engine-path", str(self.folder / "engine"),
                "--sqlite-path", str(self.folder / "sqlite"), "--http-bind-address", f"127.0.0.1:{self.port}",
                "--reporting-disabled", "--log-level", "error",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "FOLDER": str(self.folder)},
        )  # fmt: skip
        assert self._keeper.stdout
        self.pid = int(self._keeper.stdout.readline())
        eventually(self.answers, 60, every_s=0.05, saying="InfluxDB answers")

    def answers(self) -> bool:
        assert self._keeper is None or self._keeper.poll() is None, (self.folder / "log").read_text()
        return answers(self.url)

    def kill(self) -> None:
        """As if the machine were cut off: nothing is written any more."""
        if self._keeper is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._keeper.communicate()
            self._keeper = None

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def empty(self) -> None:
        """Take its files away while it is not running."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def at(self, bucket: str = "", token: str = "") -> InfluxAt:
        return InfluxAt(
            self.url, "waystation", bucket or f"t_{uuid.uuid4().hex}", token or secrets.token_hex(16)
        )


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def program() -> Path | None:
    """influxd from INFLUXD, the PATH, or the folder into which .ci/influxd.sh builds it."""
    named = os.environ.get("INFLUXD") or shutil.which("influxd")
    if named:
        return Path(named)
    return max(CACHE.glob("influxd-v2*[0-9]"), default=None)


@contextlib.contextmanager
def running() -> Iterator[InfluxAt | str]:
    """Where an InfluxDB is that all tests share, or why there is none.

    An address in WAYSTATION_TEST_INFLUX_URL comes first (with a token that may make buckets), then a
    binary, then a container; only a container where WAYSTATION_TEST_CONTAINERS asks for it.
    """
    if os.environ.get(URL):
        yield InfluxAt(os.environ[URL], "waystation", "shared", os.environ.get(TOKEN, ""))
        return
    found = None if containers.only() else program()
    if found is not None:
        server = InfluxServer(found)
        try:
            server.start()
            at = server.at("shared")
            prepare(at, 30, 730)
            yield at
        finally:
            server.remove()
        return
    with _container() as at_or_why:
        yield at_or_why


@contextlib.contextmanager
def _container() -> Iterator[InfluxAt | str]:
    if why := containers.why_none(containers.INFLUXDB):
        yield f"no InfluxDB: set {URL}, or build one with .ci/influxd.sh, or start a container: {why}"
        return
    with containers.influxdb() as url:
        at = InfluxAt(url, "waystation", "shared", secrets.token_hex(16))
        eventually(lambda: answers(at.url), 60, every_s=0.2, saying="the container answers")
        prepare(at, 30, 730)
        yield at
