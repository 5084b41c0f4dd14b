"""A row that no database takes, and a person who ends what the gateway believes to be open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from storage import alerts, quarantine
from storage.errors import RowRefused
from storage.series import SqlSeries
from storage.series_row import SeriesRow
from tests.chaos import ledger
from tests.gateway.house import Box, House
from tests.gateway.keeping_box import KeepingBox, talking
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

OCCUPANCY, CABINET, DOOR = "occupancy_sensor", "swap_cabinet", "door_lock"


class PickySeries(SqlSeries):
    """Takes everything but readings of 666 people, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        self.calls += 1
        super().append(connection, kind, rows)
        if any(row.fields.get("count_raw") == 666 for row in rows):
            raise RowRefused("This database does not keep the number 666.")


def test_a_row_that_the_database_refuses_is_found_by_halving_and_the_rest_is_kept(
    house: House, loop: MqttLoop
) -> None:
    series = PickySeries()
    box, other = KeepingBox(house, loop, 1), KeepingBox(house, loop, 2)
    culprits = {60, 131}
    gateway = house.gateway(series)
    house.stop_gateways()
    with talking(box, other):
        for count in range(200):
            box.say(OCCUPANCY, "telemetry", {"count_raw": 666 if count in culprits else count})
            other.say(DOOR, "event", {"type": "inside_button"})
        eventually(lambda: box.box.in_flight == 0 and not box.box._bulk.has_queued(), 30)
        gateway = house.gateway(series)
        eventually(lambda: box.held == 0 and other.held == 0, 20, saying="everything is promised")
    assert box.promised == set(range(200))
    assert other.promised == set(range(200))
    kept = house.rows("SELECT reason, seq, detail FROM quarantine ORDER BY seq")
    assert [(row[0], row[1]) for row in kept] == [("culprit", seq) for seq in sorted(culprits)]
    assert "666" in kept[0][2]
    everything = {(one.station, one.boot, seq) for one in (box, other) for seq in range(200)}
    assert ledger.missing(house, everything) == []
    assert ledger.doubled(house) == []
    assert series.calls < 80
    assert gateway.health.problems() == []


def test_a_culprit_that_is_replayed_and_still_refused_stays_in_quarantine(
    house: House, loop: MqttLoop
) -> None:
    gateway = house.gateway(PickySeries())
    box = KeepingBox(house, loop)
    with talking(box):
        box.say(OCCUPANCY, "telemetry", {"count_raw": 666})
        eventually(lambda: box.held == 0, 10)
        with house.database.write() as connection:
            [(id_,)] = house.rows("SELECT id FROM quarantine")
            replay = quarantine.ask_replay(connection, id_, house.clock.now_ms())
        eventually(lambda: house.rows("SELECT result FROM replay WHERE done_ms IS NOT NULL"), 10)
        with house.database.read() as connection:
            assert (quarantine.replay_result(connection, replay) or "").startswith("refused again")
        box.say(OCCUPANCY, "telemetry", {"count_raw": 1})
        eventually(lambda: box.held == 0, 5, saying="the gateway goes on")
    assert house.rows("SELECT state FROM quarantine") == [("waiting",)]
    assert gateway.health.problems() == []


def station_facts(house: House) -> dict[str, Any]:
    [(facts,)] = house.rows("SELECT facts FROM availability WHERE station='331002-0001'")
    found: dict[str, Any] = json.loads(facts)
    return found


def runaways(house: House) -> list[tuple[str, str | None]]:
    rows = house.rows("SELECT state, resolved_reason FROM alert WHERE code='battery_runaway' ORDER BY id")
    return [(row[0], row[1]) for row in rows]


def hot(box: Box, temp_c: float) -> None:
    slots = [{"n": 3, "state": "charging", "temp_c": temp_c, "charger_on": True}]
    box.report(CABINET, smoke=False, charging_enabled=True, slots=slots)


def reset(house: House) -> None:
    [(id_,)] = house.rows("SELECT id FROM alert WHERE code='battery_runaway' AND resolved_ms IS NULL")
    with house.database.write() as connection:
        alerts.reset(connection, id_, "crew 7", "battery taken out", house.clock.now_ms())


def test_a_person_ends_a_latched_alert_and_the_house_opens_again(house: House, box: Box) -> None:
    box.online()
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("firing", None)], 5)
    assert station_facts(house)["lockdown"]["code"] == "battery_runaway"
    hot(box, 25.0)
    last = box.report(CABINET, smoke=False)
    eventually(lambda: box.promised(last), 5)
    assert runaways(house) == [("firing", None)], "a latched alert does not end by itself"
    reset(house)
    eventually(lambda: station_facts(house)["lockdown"] is None, 5, saying="people are let in again")
    assert runaways(house) == [("resolved", "reset")]
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("resolved", "reset"), ("firing", None)], 5)
    assert station_facts(house)["lockdown"]["code"] == "battery_runaway"


def test_a_reset_alert_whose_condition_still_holds_opens_anew(house: House, box: Box) -> None:
    box.online()
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("firing", None)], 5)
    reset(house)
    eventually(lambda: runaways(house) == [("resolved", "reset"), ("firing", None)], 5)
    assert station_facts(house)["lockdown"]["code"] == "battery_runaway"
    assert ledger.open_twice(house) == []
    assert ledger.notices_per_alert(house) == []


def test_an_alert_that_was_reset_while_no_gateway_ran_is_over(house: House, box: Box) -> None:
    box.online()
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("firing", None)], 5)
    hot(box, 25.0)
    last = box.report(CABINET, smoke=False)
    eventually(lambda: box.promised(last), 5)
    house.stop_gateways()
    reset(house)
    house.gateway()
    eventually(lambda: station_facts(house)["lockdown"] is None, 5, saying="people are let in again")
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("resolved", "reset"), ("firing", None)], 5)


def test_an_alert_that_was_reset_while_no_gateway_ran_opens_anew_when_it_still_burns(
    house: House, box: Box
) -> None:
    box.online()
    hot(box, 82.0)
    eventually(lambda: runaways(house) == [("firing", None)], 5)
    house.stop_gateways()
    reset(house)
    house.gateway()
    eventually(lambda: runaways(house) == [("resolved", "reset"), ("firing", None)], 5)
    assert station_facts(house)["lockdown"]["code"] == "battery_runaway"
    assert ledger.notices_per_alert(house) == []
