"""Real brokers on loopback: nats-server always, mosquitto where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.transport.brokers import AnyBroker, Broker, broker_of
from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

StartHub = Callable[..., HubLink]
StartStation = Callable[..., StationLink]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Broker]:
    """A nats-server with JetStream and MQTT; unacknowledged messages come again after 1 s."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyBroker]:
    """The same test body over both brokers."""
    running = broker_of(request.param, tmp_path)
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


@pytest.fixture
def start_hub() -> Iterator[StartHub]:
    """Start a hub link at a broker and wait until it hears both lanes."""
    links: list[HubLink] = []

    def start(
        broker: AnyBroker, *, inbox_size: int = 30_000, keepalive_s: int = 30, wait: bool = True
    ) -> HubLink:
        username, password = broker.hub_login("gateway")
        link = HubLink(
            "127.0.0.1",
            broker.hub_port,
            {
                "quick": LaneOptions(
                    client_id="hub-quick-7f",
                    filters=(("ws/+/+/quick/+/+/+", 1), ("hub/command/+", 0)),
                    username=username,
                    password=password,
                    keepalive_s=keepalive_s,
                    repeat_patience_s=1.5,
                ),
                "bulk": LaneOptions(
                    client_id="hub-bulk-7f",
                    filters=(("ws/+/+/bulk/+/+/+", 1),),
                    username=username,
                    password=password,
                    keepalive_s=keepalive_s,
                ),
            },
            inbox_size,
            lambda: 1_700_000_000_000,
            broker.tls,
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
        broker: AnyBroker,
        station: str = "s1",
        *,
        heard: list[tuple[str, bytes]] | None = None,
        will: tuple[str, bytes] | Callable[[int], tuple[str, bytes]] | None = None,
        max_unconfirmed: int = 30_000,
    ) -> StationLink:
        sink = heard if heard is not None else []
        username, password = broker.station_login(station)
        link = StationLink(
            loop,
            StationOptions(
                host="127.0.0.1",
                port=broker.port,
                adcode="330106",
                station=station,
                client_id=f"station-{station}",
                username=username,
                password=password,
                tls=broker.tls,
                will=will,
                max_unconfirmed=max_unconfirmed,
            ),
            lambda topic, payload: sink.append((topic, payload)),
        )
        link.connect()
        eventually(lambda: link.ready, saying=f"{station} is ready")
        return link

    return start
