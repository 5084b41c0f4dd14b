"""The brokers a house may have: the embedded one, the same as a bare process, Mosquitto as it is shipped."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from domain.ids import edge_box
from runtime.broker import Broker
from runtime.secrets import Secrets
from runtime.station_passwords import StationLogin
from tests.mosquitto import Mosquitto
from tests.transport.brokers import NATS_SERVER
from tests.waiting import eventually

EMBEDDED, NATS, MOSQUITTO = "embedded", "nats", "mosquitto"
EVERY_BROKER = (EMBEDDED, NATS, MOSQUITTO)


class HouseBroker(Protocol):
    """What tests do to a broker, whichever it is."""

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wait(self, timeout_s: float) -> bool: ...


class BareNats:
    """A nats-server that nobody looks after, with the configuration that the hub writes."""

    def __init__(self, var: Path, mqtt_port: int, nats_port: int, secrets: Secrets) -> None:
        first = Broker(var, mqtt_port, nats_port, secrets=secrets)
        first.start()
        first.stop()
        self._files, self._port = first.files, mqtt_port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        assert NATS_SERVER is not None
        with (self._files.folder / "bare.log").open("ab") as log:
            self._process = subprocess.Popen(
                [NATS_SERVER, "-c", str(self._files.configuration)],
                cwd=self._files.folder,
                stdout=log,
                stderr=log,
            )
        eventually(self._listens, 15, saying="nats-server listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def wait(self, timeout_s: float) -> bool:
        assert self._process is not None
        self._process.wait(timeout_s)
        return True

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "nats-server ended while starting"
        try:
            socket.create_connection(("127.0.0.1", self._port), 1.0).close()
        except OSError:
            return False
        return True


class BrokerPlace:
    """One broker, where the hub's processes and the stations reach it, and what a process must be told."""

    def __init__(
        self, kind: str, var: Path, secrets: Secrets, passwords: Mapping[str, str], ports: tuple[int, int]
    ) -> None:
        self.kind = kind
        self.tls: ssl.SSLContext | None = None
        self.broker: HouseBroker
        self.hub_port = self.station_port = ports[0]
        if kind == MOSQUITTO:
            logins = [
                StationLogin(edge_box(name), name[:6], name, password) for name, password in passwords.items()
            ]
            running = Mosquitto(var, secrets, logins)
            self.broker, self.tls = running, running.tls
            self.hub_port, self.station_port = running.hub_port, running.station_port
        elif kind == NATS:
            self.broker = BareNats(var, *ports, secrets)
        else:
            self.broker = Broker(var, *ports, secrets=secrets)

    @property
    def settings(self) -> dict[str, str]:
        """What a process of the hub is told about it."""
        told = {"WAYSTATION_BROKER": self.kind, "WAYSTATION_MQTT_PORT": str(self.hub_port)}
        if self.kind == MOSQUITTO:
            told["WAYSTATION_MQTT_TLS_PORT"] = str(self.station_port)
        if self.kind == NATS:
            told["WAYSTATION_MQTT_PLAIN"] = "true"
        return told
