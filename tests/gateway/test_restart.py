"""A gateway that starts again knows what its predecessor knew, also what was never written as a state."""

from __future__ import annotations

import json

import pytest

from gateway.fleet import Fleet
from gateway.loading import load_fleet
from storage.series import SqlSeries
from tests.gateway.brokers import EVERY_BROKER
from tests.gateway.house import Box, House
from tests.gateway.keeping_box import KeepingBox, talking
from tests.gateway.skipping_clock import SkippingClock
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("broker_kind", EVERY_BROKER, indirect=True),
]


def test_ages_of_reports_that_said_nothing_new_survive_a_restart(house: House, box: Box) -> None:
    box.online()
    seqs = [box.report("occupancy_sensor", count_raw=2, presence=True) for _ in range(4)]
    seq = seqs[-1]
    eventually(lambda: box.promised(seq), 5)
    gateway, _ = house.gateways[0]
    device = box.device("occupancy_sensor")
    known = gateway._fleet.states[device]
    house.stop_gateways()
    fresh = Fleet()
    load_fleet(house.database, SqlSeries(), fresh, 0)
    assert fresh.states[device].own.marks == known.own.marks
    assert fresh.states[device].own.values == known.own.values
    assert fresh.states[device].own.marks["count_raw"].seq == seq


def test_what_is_told_again_after_a_long_silence_is_shown_though_only_hidden_facts_moved(
    house: House, loop: MqttLoop
) -> None:
    house.clock = clock = SkippingClock()
    house.gateway()
    box = KeepingBox(house, loop)

    def door(leaf: str) -> None:
        box.say("door_lock", "telemetry", {"bolt": "locked", "leaf": leaf, "mode": "normal"})
        eventually(lambda: box.held == 0, 10)

    def told_ms() -> int:
        rows = house.rows("SELECT facts FROM availability")
        return int(json.loads(rows[0][0])["devices"]["door_lock/1"]["bolt"][1]) if rows else 0

    with talking(box):
        for leaf in ("closed", "open", "closed"):
            door(leaf)
        # After seven hours the leaf was not opened within six any more, and nobody is shown that number.
        clock.skip(minutes=7 * 60)
        again_ms = clock.now_ms()
        door("closed")
        eventually(lambda: told_ms() >= again_ms, 10, saying="the row holds the new age")
        for _ in range(4):
            clock.skip(minutes=1)
            door("open")
            door("closed")
            assert clock.now_ms() - told_ms() < 150_000, "half of what a door's word is good for"


def test_what_was_promised_is_not_taken_again(house: House, box: Box) -> None:
    box.online()
    body = box.envelope(count_raw=1)
    topic = f"ws/331002/{box.station}/bulk/occupancy_sensor/1/telemetry"
    box.say(topic, body)
    eventually(lambda: box.promised(0), 5)
    house.stop_gateways()
    box.acks.clear()
    house.gateway()
    box.say(topic, body)
    eventually(lambda: box.promised(0), 10)
    assert house.rows("SELECT count(*) FROM series_occupancy_sensor") == [(1,)]
