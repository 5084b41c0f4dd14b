"""A call for help and smoke in the room, from the sensor's message to what people and devices are told."""

from __future__ import annotations

import json

import pytest

from domain.ids import DeviceId, edge_box
from storage import registry, rulebooks
from tests.gateway.house import Box, House, station_id
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration


@pytest.fixture
def room(house: House, loop: MqttLoop) -> Box:
    """Station 1 with a climate sensor and a power switch besides."""
    station = station_id(1)
    with house.database.write() as connection:
        registry.put_devices(
            connection,
            [
                registry.Device(DeviceId(station, kind, 1), edge_box(station))
                for kind in ("climate_sensor", "power_switch")
            ],
        )
    house.gateway()
    return Box(house, loop)


def test_a_call_for_help_is_an_emergency_and_a_notice_at_once(house: House, room: Box) -> None:
    room.online()
    room.event("climate_sensor", "sos")
    rows = eventually(lambda: house.rows("SELECT code, severity, latched, learned_ms FROM alert"), 5)
    assert [(code, severity, bool(latched)) for code, severity, latched, _ in rows] == [
        ("sos", "emergency", True)
    ]
    ((what, state, next_ms),) = house.rows("SELECT what, state, next_ms FROM notice")
    assert (what, state) == ("opened", "waiting")
    assert next_ms <= rows[0][3]
    facts = json.loads(house.rows("SELECT facts FROM availability WHERE station='331002-0001'")[0][0])
    assert facts["lockdown"] is None, "help must be able to come in"


def test_smoke_in_the_room_keeps_people_out_releases_the_door_and_cuts_power(house: House, room: Box) -> None:
    room.online()
    room.report("door_lock", bolt="locked", leaf="closed", mode="normal")
    room.report("power_switch", lights=True, ac_mode="cool", cut=False)
    room.event("climate_sensor", "smoke")
    wanted = {("door_lock", "release"), ("power_switch", "cut_power")}
    eventually(lambda: wanted <= {(d.kind, c.get("action")) for d, c in room.commands}, 5)
    facts = json.loads(house.rows("SELECT facts FROM availability WHERE station='331002-0001'")[0][0])
    assert facts["lockdown"]["code"] == "room_smoke"
    # The switch shows that it is so: the wish has come true.
    room.report("power_switch", cut=True, ac_mode="off")
    eventually(lambda: house.rows("SELECT state FROM command WHERE action='cut_power' AND state='done'"), 5)


QUIET = """
rules:
  - code: nobody_there
    kind: occupancy_sensor
    when: presence == false
    severity: info
    log_only: true
    texts: {zh: "【提示】{station}：无人。", en: "[Notice] {station}: nobody."}
  - code: counted_below_zero
    kind: occupancy_sensor
    when: count_raw < 0
    severity: info
    texts: {zh: "【提示】{station}：数值小于零。", en: "[Notice] {station}: counts below zero."}
"""


def test_what_is_for_the_log_alone_is_kept_and_told_to_nobody(house: House, loop: MqttLoop) -> None:
    with house.database.write() as connection:
        rulebooks.add(connection, QUIET, "test", 1)
    house.gateway()
    box = Box(house, loop)
    box.online()
    box.report("occupancy_sensor", presence=False, count_raw=-1)
    eventually(lambda: len(house.rows("SELECT code FROM alert")) == 2, 5)
    box.report("occupancy_sensor", presence=True, count_raw=1)
    eventually(lambda: len(house.rows("SELECT code FROM alert WHERE state='resolved'")) == 2, 5)
    told = house.rows("SELECT alert.code, what FROM notice JOIN alert ON alert.id = notice.alert_id")
    assert {code for code, _ in told} == {"counted_below_zero"}
    assert {what for _, what in told} == {"opened", "resolved"}
