"""A dispenser's road over a real broker: hot water is told, a leak shuts its valve until that is so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain import topics
from domain.ids import DeviceId, edge_box
from rules.availability import availability
from rules.calendar import Calendar
from rules.station_view import StationInfo, StationView
from storage import registry
from tests.gateway.house import ADCODE, Box, House, station_id
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

WATER = DeviceId(station_id(1), "water_dispenser", 1)
INFO = StationInfo(WATER.station, ADCODE, "24/7", capacity=8, equipped=True)
WELL: dict[str, Any] = {
    "state": "idle", "tank_level_pct": 80, "hot_temp_c": 95,
    "serving": True, "leak": False, "valve_closed": False,
}  # fmt: skip


@pytest.fixture
def box(house: House, loop: MqttLoop) -> Box:
    with house.database.write() as connection:
        registry.put_devices(connection, [registry.Device(WATER, edge_box(WATER.station))])
    house.gateway()
    return Box(house, loop)


def say(box: Box, **fields: Any) -> int:
    return box.say(topics.telemetry(ADCODE, WATER), box.envelope(**fields))


def level(house: House) -> str | None:
    rows = house.rows("SELECT facts FROM availability WHERE station = :station", station=WATER.station)
    if not rows:
        return None
    told = availability(
        INFO, StationView.from_facts_json(json.loads(rows[0][0])), house.clock.now_ms(), Calendar()
    )
    return None if told.water is None else told.water.level


def test_hot_water_is_told_until_the_taps_are_stopped(house: House, box: Box) -> None:
    box.online()
    say(box, **WELL)
    eventually(lambda: level(house) == "hot", 5)
    say(box, hot_temp_c=40)
    eventually(lambda: level(house) == "ok", 5)
    say(box, serving=False)
    eventually(lambda: level(house) == "off", 5)


def test_a_leak_raises_its_alert_suspends_the_water_and_the_valve_is_asked_to_close(
    house: House, box: Box
) -> None:
    box.online()
    say(box, **WELL)
    eventually(lambda: level(house) == "hot", 5)
    box.say(topics.event(ADCODE, WATER), box.envelope(type="leak"))
    eventually(lambda: house.rows("SELECT code, severity FROM alert") == [("water_leak", "emergency")], 5)
    eventually(lambda: level(house) == "off", 5)
    eventually(lambda: any(device == WATER and "prepare" in body for device, body in box.commands), 5)
    assert house.rows("SELECT action FROM command") == [("close_valve",)]
    say(box, valve_closed=True)
    eventually(lambda: house.rows("SELECT state FROM command") == [("done",)], 5)
