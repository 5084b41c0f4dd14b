"""What a station's row claims is renewed in time, for all of its devices at once, not with each message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain import topics
from tests.gateway.house import ADCODE, Box, House
from tests.gateway.skipping_clock import skip_along
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

REPORTS: dict[str, dict[str, Any]] = {
    "occupancy_sensor": {"count_raw": 2, "presence": True},
    "swap_cabinet": {"slots": [{"n": 1, "state": "full", "enabled": True}]},
    "door_lock": {"bolt": "locked", "leaf": "closed", "mode": "normal"},
}


def _say(house: House, box: Box, kind: str, **fields: Any) -> None:
    body = {**box.envelope(**fields), "ts": house.clock.now_ms()}
    seq = box.say(topics.telemetry(ADCODE, box.device(kind)), body)
    eventually(lambda: box.promised(seq), 10)


def _written(house: House) -> int:
    return int(house.rows("SELECT n FROM version WHERE writer='availability'")[0][0])


def _left_s(house: House, box: Box) -> float:
    [(text,)] = house.rows("SELECT facts FROM availability WHERE station=:s", s=box.station)
    claims = [fact for device in json.loads(text)["devices"].values() for fact in device.values()]
    return float(min(until_ms for _, _, until_ms in claims) - house.clock.now_ms()) / 1000


def test_devices_that_say_the_same_every_minute_have_their_row_written_once_in_a_while(
    house: House, loop: MqttLoop
) -> None:
    clock, box = skip_along(house, loop)
    for kind, fields in REPORTS.items():
        _say(house, box, kind, **fields)
    first, rows = _written(house), 0
    for _ in range(8):
        clock.skip(minutes=1)
        before = _written(house)
        for kind, fields in REPORTS.items():
            _say(house, box, kind, **fields)
        new = _written(house) - before
        assert new <= 1, "one row tells of all of them"
        rows += new
        assert _left_s(house, box) > 20, "no claim runs out while its device speaks"
    assert 2 <= rows <= 5
    assert _written(house) == first + rows


def test_a_fact_that_only_some_messages_tell_is_no_reason_to_write_with_all_others(
    house: House, loop: MqttLoop
) -> None:
    clock, box = skip_along(house, loop)
    _say(house, box, "door_lock", **REPORTS["door_lock"])
    clock.skip(minutes=3)
    _say(house, box, "door_lock", leaf="closed")
    before = _written(house)
    for _ in range(2):
        clock.skip(minutes=0.5)
        _say(house, box, "door_lock", leaf="closed")
    assert _written(house) == before, "bolt and mode could not become younger by it"
    _say(house, box, "door_lock", **REPORTS["door_lock"])
    assert _written(house) == before + 1
