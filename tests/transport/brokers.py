"""Broker processes for tests of the transport: a bare nats-server, and Mosquitto as it is shipped."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from runtime.clock import WallClock
from runtime.secrets import load_or_create_secrets
from signing.station_credential import Role
from tests.mosquitto import Mosquitto, login
from tests.ports import free_port
from tests.waiting import eventually

NATS_SERVER = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which(
    "nats-server"
)

QUICK = "ws/330106/s1/quick/door_lock/1/event"
BULK = "ws/330106/s1/bulk/climate_sensor/1/telemetry"


Login = tuple[str | None, str | None]


class Broker:
    """A nats-server that keeps its port and its store over restarts."""

    kind = "nats"
    tls: ssl.SSLContext | None = None

    def __init__(self, folder: Path, ack_wait: str = "1s", permissions: str = "") -> None:
        self.port = self.hub_port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        assert NATS_SERVER is not None
        self._config = config = folder / "nats.conf"
        config.write_text(
            f"""
            server_name: test
            listen: "127.0.0.1:{free_port()}"
            max_payload: 65536
            jetstream {{ store_dir: "{folder / "store"}", max_mem: 64M, max_file: 256M }}
            mqtt {{ listen: "127.0.0.1:{self.port}", ack_wait: "{ack_wait}", max_ack_pending: 20000 }}
            {permissions}
            """
        )
        self._command = [NATS_SERVER, "-c", str(config)]

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        eventually(self._listens, timeout_s=15.0, saying="broker listens")
        self._connect_alone()

    def _connect_alone(self) -> None:
        # nats-server makes its streams at the first connection, and two at once may break them.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5.0) as wire:
            wire.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05first")
            wire.settimeout(5.0)
            if wire.recv(4)[:1] == b"\x20":
                wire.sendall(b"\xe0\x00")

    def hub_login(self, _role: Role) -> Login:
        """Nobody is asked who he is."""
        return None, None

    def station_login(self, _station: str) -> Login:
        """Nobody is asked who he is."""
        return None, None

    def rewrite(self, old: str, new: str) -> None:
        """Change its configuration file."""
        self._config.write_text(self._config.read_text().replace(old, new))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP, and wait until every thread has taken notice."""
        assert self._process is not None
        self.signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        eventually(
            lambda: all(" T " in (task / "stat").read_text() for task in tasks.iterdir()),
            saying="broker is frozen",
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "broker.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


class ShippedMosquitto(Mosquitto):
    """Mosquitto as it is shipped; stations s0 to s199 hold a credential."""

    kind = "mosquitto"

    def __init__(self, folder: Path) -> None:
        secrets = load_or_create_secrets(folder, WallClock().now_ms())
        names = [f"s{n}" for n in range(200)]
        super().__init__(folder, secrets, [login(name, "330106", f"password of {name}") for name in names])
        self._passwords = secrets.broker_passwords

    @property
    def port(self) -> int:
        """Where stations connect."""
        return self.station_port

    def hub_login(self, role: Role) -> Login:
        """User name and password of a process of the hub."""
        return role, self._passwords[role]

    def station_login(self, station: str) -> Login:
        """User name and password of a station."""
        return station, f"password of {station}"


AnyBroker = Broker | ShippedMosquitto


def broker_of(kind: str, folder: Path) -> AnyBroker:
    """Either of the two, not started."""
    return Broker(folder) if kind == "nats" else ShippedMosquitto(folder)
