"""Real brokers on loopback: nats-server always, mosquitto where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

NATS_SERVER = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which(
    "nats-server"
)
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")

QUICK = "ws/330106/s1/quick/door_lock/1/event"
BULK = "ws/330106/s1/bulk/climate_sensor/1/telemetry"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Broker:
    """A broker process that keeps its port and its store over restarts."""

    def __init__(self, kind: str, folder: Path, ack_wait: str = "1s", permissions: str = "") -> None:
        self.kind = kind
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        if kind == "nats":
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
        else:
            if MOSQUITTO is None:
                pytest.skip("mosquitto is not installed")
            config = folder / "mosquitto.conf"
            config.write_text(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 20000\n"
                f"max_queued_messages 0\npersistence true\npersistence_location {folder}/\n"
                f"autosave_interval 1\nautosave_on_changes true\n"
            )
            self._command = [MOSQUITTO, "-c", str(config)]

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        eventually(self._listens, timeout_s=15.0, saying="broker listens")

    def rewrite(self, old: str, new: str) -> None:
        """Change its configuration file."""
        self._config.write_text(self._config.read_text().replace(old, new))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

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


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Broker]:
    """A nats-server with JetStream and MQTT; unacknowledged messages come again after 1 s."""
    broker = Broker("nats", tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """The same test body over both brokers."""
    running = Broker(request.param, tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def loop() -> Iterator[MqttLoop]:
    """A running loop."""
    running = MqttLoop("test-mqtt")
    running.start()
    yield running
    running.stop()


StartHub = Callable[..., HubLink]
StartStation = Callable[..., StationLink]


@pytest.fixture
def start_hub() -> Iterator[StartHub]:
    """Start a hub link at a broker and wait until it hears both lanes."""
    links: list[HubLink] = []

    def start(
        broker: Broker, *, inbox_size: int = 30_000, keepalive_s: int = 30, wait: bool = True
    ) -> HubLink:
        link = HubLink(
            "127.0.0.1",
            broker.port,
            {
                "quick": LaneOptions(
                    client_id="hub-quick-7f",
                    filters=(("ws/+/+/quick/+/+/+", 1), ("hub/command/+", 0)),
                    keepalive_s=keepalive_s,
                    repeat_patience_s=1.5,
                ),
                "bulk": LaneOptions(
                    client_id="hub-bulk-7f", filters=(("ws/+/+/bulk/+/+/+", 1),), keepalive_s=keepalive_s
                ),
            },
            inbox_size,
            lambda: 1_700_000_000_000,
        )
        links.append(link)
        link.start()
        if wait:
            eventually(lambda: link.status().ready, saying="hub hears both lanes")
        return link

    yield start
    for link in links:
        link.stop()


@pytest.fixture
def start_station(loop: MqttLoop) -> StartStation:
    """Connect a station and wait until it hears its branch; `heard` collects what came down."""

    def start(
        broker: Broker,
        station: str = "s1",
        *,
        heard: list[tuple[str, bytes]] | None = None,
        will: tuple[str, bytes] | Callable[[int], tuple[str, bytes]] | None = None,
        max_unconfirmed: int = 30_000,
    ) -> StationLink:
        sink = heard if heard is not None else []
        link = StationLink(
            loop,
            StationOptions(
                host="127.0.0.1",
                port=broker.port,
                adcode="330106",
                station=station,
                client_id=f"station-{station}",
                will=will,
                max_unconfirmed=max_unconfirmed,
            ),
            lambda topic, payload: sink.append((topic, payload)),
        )
        link.connect()
        eventually(lambda: link.ready, saying=f"{station} is ready")
        return link

    return start
