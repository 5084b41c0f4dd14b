"""Fifteen hundred stations on one real broker: more connections than select() can watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.line import BrokerAddress, Line, LineEvents, Login, StationLine
from device_sim.plan import plan_stations
from device_sim.station_plan import StationPlan
from device_sim.turnstile import Turnstile
from runtime.broker import Broker
from runtime.clock import WallClock
from runtime.descriptors import make_room
from runtime.first_stations import divisions
from runtime.secrets import load_or_create_secrets
from tests.device_sim.town import KEY
from tests.ports import free_port
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
STATIONS = 1_540
SPEAKING = STATIONS - 8


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Broker, int]]:
    """A broker of the hub, and the port on which it takes stations."""
    mqtt_port, nats_port = free_port(), free_port()
    made = Broker(tmp_path, mqtt_port, nats_port)
    make_room(STATIONS)
    made.start()
    yield made, mqtt_port
    made.stop()


def test_fifteen_hundred_stations_connect_each_once_and_come_back_after_the_broker(
    broker: tuple[Broker, int], tmp_path: Path
) -> None:
    server, port = broker
    clock = WallClock()
    secrets = load_or_create_secrets(tmp_path, clock.now_ms())
    turnstile, loop = Turnstile(500), MqttLoop("many")
    address = BrokerAddress("127.0.0.1", port, longest_backoff_s=3, turnstile=turnstile)

    def open_line(plan: StationPlan, events: LineEvents) -> Line:
        password = secrets.issue_station(plan.adcode, plan.id, clock.now_ms())
        login = Login(f"many-{plan.id}", plan.id, password)
        return StationLine(loop, address, login, plan.adcode, plan.id, events)

    fleet = Fleet(
        plan_stations(divisions(), STATIONS),
        clock=clock,
        open_line=open_line,
        verify_keys={KEY.kid: KEY.verify_key},
        box=BoxSettings(capacity=50),
        connects_per_s=500,
    )
    loop.start()
    fleet.start(loop)
    try:
        eventually(lambda: fleet.totals()["connected"] == SPEAKING, 120, every_s=0.2)
        assert loop.failures == 0
        server.stop()
        eventually(lambda: fleet.totals()["connected"] == 0, 30, every_s=0.2)
        server.start()
        eventually(lambda: fleet.totals()["connected"] == SPEAKING, 120, every_s=0.2)
        assert loop.failures == 0
    finally:
        turnstile.close()
        fleet.stop()
        loop.stop()
