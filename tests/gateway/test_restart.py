"""A gateway that starts again knows what its predecessor knew, also what was never written as a state."""

from __future__ import annotations

import pytest

from gateway.fleet import Fleet
from gateway.loading import load_fleet
from tests.gateway.house import Box, House
from tests.waiting import eventually

pytestmark = pytest.mark.integration


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
    load_fleet(house.database, fresh)
    assert fresh.states[device].own.marks == known.own.marks
    assert fresh.states[device].own.values == known.own.values
    assert fresh.states[device].own.marks["count_raw"].seq == seq


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
