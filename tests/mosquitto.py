"""A Mosquitto with the configuration that is shipped, in a folder that the hub's own code has filled."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
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
from tests import containers
from tests.ports import free_port
from tests.waiting import eventually

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def login(station: str, adcode: str, password: str) -> StationLogin:
    """How a station's edge box comes in."""
    return StationLogin(edge_box(station), adcode, station, password)


def found(folder: Path) -> list[str] | str:
    """The command that runs Mosquitto in a folder, or why there is none.

    The program that is installed comes first, then a container. An address of somebody else's would be of no
    use: tests say who may come in, and kill it.
    """
    if PROGRAM is not None and not containers.only():
        return [PROGRAM]
    if why := containers.why_none(containers.MOSQUITTO):
        return f"no Mosquitto: install mosquitto, or start a container: {why}"
    return containers.mosquitto(folder)


class Mosquitto:
    """Two listeners with TLS on ports of their own; keeps ports and store over restarts."""

    def __init__(self, var: Path, secrets: Secrets, logins: Sequence[StationLogin]) -> None:
        self.var, self.folder = var, var / "mosquitto"
        command = found(self.folder)
        if isinstance(command, str):
            pytest.skip(command)
        self._command = [*command, "-c", "mosquitto.conf"]
        self._secrets = secrets
        self._process: subprocess.Popen[bytes] | None = None
        prepare(var, ["localhost", LOOPBACK], WallClock().now_ms())
        self.hub_port, self.station_port = free_port(), free_port()
        self.let_in(logins)
        configuration = self.folder / "mosquitto.conf"
        here_only = re.sub(r"(?m)^listener \d+$", rf"\g<0> {LOOPBACK}", configuration.read_text("utf-8"))
        configuration.write_text(here_only, "utf-8")
        self.tls = ssl.create_default_context(cafile=str(files_of(var).authority))

    @property
    def pid(self) -> int | None:
        """Its own number, also where something else has started it."""
        if self._process is None:
            return None
        return int((self.folder / "mosquitto.pid").read_text("ascii"))

    @property
    def log(self) -> str:
        return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")

    def let_in(self, logins: Sequence[StationLogin]) -> bool:
        """These stations and no others; a running broker is told."""
        ports = Ports(self.hub_port, self.station_port)
        return export(self.folder, ports, self._secrets, logins, files_of(self.var)).reloaded

    def start(self) -> None:
        """Start it and wait until both listeners answer."""
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self.folder, stdout=log, stderr=log)
        for port in (self.hub_port, self.station_port):
            eventually(lambda port=port: self._listens(port), 15, saying="mosquitto listens")  # type: ignore[misc]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it writes its store first."""
        self._end(signal.SIGTERM)

    def wait(self, timeout_s: float) -> bool:
        assert self._process is not None
        self._process.wait(timeout_s)
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                if self._process.poll() is None and self.pid is not None:
                    os.kill(self.pid, number)
            self._process.wait(15)
            self._process = None

    def _listens(self, port: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            socket.create_connection((LOOPBACK, port), 1.0).close()
        except OSError:
            return False
        return True
