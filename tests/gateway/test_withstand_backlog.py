"""Much has piled up at the broker: a door still opens at once, and an emergency is heard at once."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain import topics
from domain.ids import DeviceId
from tests.gateway.brokers import EMBEDDED, EVERY_BROKER
from tests.gateway.door import DoorBox, a_person
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.house import ADCODE, House, open_house, station_id
from tests.gateway.keeping_box import talking
from tests.gateway.raw_publisher import publish_all
from tests.waiting import eventually
from transport.loop import MqttLoop

BACKLOG = int(os.environ.get("WAYSTATION_TEST_BACKLOG", "200000"))
BACKLOG_ELSEWHERE = 30_000
STATIONS = 10
WITHIN_S = 2.0

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120 + BACKLOG / 500)]


def waits(house: House, count: int) -> int:
    """How many messages of the backlog have no row yet."""
    return count - int(house.rows("SELECT count(*) FROM series_occupancy_sensor")[0][0])


def backlog(house: House, station: str, count: int) -> Iterator[tuple[str, bytes]]:
    boot, ts_ms = secrets.token_hex(6), house.clock.now_ms()
    topic = topics.telemetry(ADCODE, DeviceId(station, "occupancy_sensor", 1))
    for seq in range(count):
        body = f'{{"v":1,"ts":{ts_ms + seq},"boot":"{boot}","seq":{seq},"low":0,"count_raw":{seq // 5 % 9}}}'
        yield topic, body.encode()


def pile_up(house: House, count: int) -> None:
    for number in range(2, STATIONS + 2):
        station = station_id(number)
        messages = backlog(house, station, count // STATIONS)
        publish_all(house.mqtt_port, station, house.passwords[station], messages, house.place.tls)


@pytest.mark.parametrize("broker_kind", EVERY_BROKER, indirect=True)
def test_while_a_backlog_drains_a_door_opens_and_a_forced_door_is_told(
    tmp_path: Path, migrated_url: str, loop: MqttLoop, broker_kind: str
) -> None:
    count = BACKLOG if broker_kind == EMBEDDED else min(BACKLOG, BACKLOG_ELSEWHERE)
    with open_house(tmp_path / "var", migrated_url, STATIONS + 1, broker_kind) as house:
        house.gateway()
        house.stop_gateways()
        gateway = GatewayProcess(house)
        door = DoorBox(house, loop)
        try:
            pile_up(house, count)
            with talking(door), a_person(house) as person:
                eventually(lambda: door.box.connected, 10)
                gateway.start()
                eventually(lambda: waits(house, count) < count, 30, saying="it has begun")
                began_s = time.monotonic()
                opened_s = [person.opens(door)]
                forced_s = time.monotonic()
                door.say("door_lock", "event", {"type": "forced"}, safety=True)
                eventually(lambda: house.rows("SELECT 1 FROM alert WHERE code='door_forced'"), 10)
                told_s = time.monotonic() - forced_s
                left = waits(house, count)
                while waits(house, count) > count // 10:
                    opened_s.append(person.opens(door))
                eventually(lambda: waits(house, count) == 0, 60, every_s=0.1, saying="all is in")
                drained_s = time.monotonic() - began_s
                eventually(lambda: door.held == 0, 10)
        finally:
            gateway.kill()
    print(
        f"\n{broker_kind}: {count} messages waited, {left} when a forced door was told after {told_s:.2f} s; "
        f"a door opened {len(opened_s)} times, in {max(opened_s):.2f} s at most; drained in {drained_s:.1f} s"
    )
    assert left > 0, "the backlog was gone before anything was asked"
    assert max(opened_s) < WITHIN_S
    assert told_s < WITHIN_S
    assert len(door.moved) == len(opened_s)
