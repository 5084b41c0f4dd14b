"""A Mosquitto with the configuration that is shipped, in a folder that the hub's own code has filled."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.ids import edge_box
from runtime.broker_address import LOOPBACK
from runtime.certificate import files_of, prepare
from runtime.clock import WallClock
from runtime.mosquitto_files import Ports, export
from runtime.secrets import Secrets
from runtime.station_passwords import StationLogin
from tests.waiting import eventually

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def login(station: str, adcode: str, password: str) -> StationLogin:
    """How a station's edge box comes in."""
    return StationLogin(edge_box(station), adcode, station, password)


class Mosquitto:
    """Two listeners with TLS on ports of their own; keeps ports and store over restarts."""

    def __init__(self, var: Path, secrets: Secrets, logins: Sequence[StationLogin]) -> None:
        if PROGRAM is None:
            pytest.skip("mosquitto is not installed")
        self.var, self.folder = var, var / "mosquitto"
        self._secrets = secrets
        self._process: subprocess.Popen[bytes] | None = None
        prepare(var, ["localhost", LOOPBACK], WallClock().now_ms())
        self.hub_port, self.station_port = free_ports()
        self.let_in(logins)
        configuration = self.folder / "mosquitto.conf"
        here_only = re.sub(r"(?m)^listener \d+$", rf"\g<0> {LOOPBACK}", configuration.read_text("utf-8"))
        configuration.write_text(here_only, "utf-8")
        self.tls = ssl.create_default_context(cafile=str(files_of(var).authority))

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")

    def let_in(self, logins: Sequence[StationLogin]) -> bool:
        """These stations and no others; a running broker is told."""
        ports = Ports(self.hub_port, self.station_port)
        return export(self.folder, ports, self._secrets, logins, files_of(self.var)).reloaded

    def start(self) -> None:
        """Start it and wait until both listeners answer."""
        assert PROGRAM is not None
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", "mosquitto.conf"], cwd=self.folder, stdout=log, stderr=log
            )
        for port in (self.hub_port, self.station_port):
            eventually(lambda port=port: self._listens(port), 15, saying="mosquitto listens")  # type: ignore[misc]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM: it writes its store first."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def wait(self, timeout_s: float) -> bool:
        assert self._process is not None
        self._process.wait(timeout_s)
        return True

    def _listens(self, port: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            socket.create_connection((LOOPBACK, port), 1.0).close()
        except OSError:
            return False
        return True


def free_ports() -> tuple[int, int]:
    """Two ports that were free a moment ago."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind((LOOPBACK, 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])
