"""The simulated counter: it says what it sees, and goes wrong in the ways that counters do."""

from __future__ import annotations

import itertools
from typing import Any

from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town

SENSOR = "occupancy_sensor/1"


def town(visits_per_day: float) -> Town:
    made = Town(plan("occupancy_sensor", visits_per_day=visits_per_day))
    made.join()
    made.run(1)
    return made


def reports(where: Town) -> list[dict[str, Any]]:
    return where.hub.of("telemetry", "occupancy_sensor")


def test_it_reports_every_ten_seconds_and_on_change() -> None:
    where = town(400)
    where.run(1_800, step_s=0.5)
    said = reports(where)
    gaps = [after["ts"] - before["ts"] for before, after in itertools.pairwise(said)]
    assert max(gaps) <= 10_500
    assert min(gaps) < 9_000
    assert len({body["count_raw"] for body in said if "count_raw" in body}) > 1


def test_presence_and_count_agree_while_it_is_healthy() -> None:
    where = town(200)
    where.run(3_600, step_s=0.5)
    known: dict[str, Any] = {}
    for body in reports(where):
        known |= body
        assert known["presence"] == (known["count_raw"] > 0)
        assert known["count_raw"] == known["in_total"] - known["out_total"]


def test_a_stuck_sensor_keeps_saying_the_same() -> None:
    where = town(400)
    where.fleet.inject("331002-0001", SENSOR, "stuck")
    before = len(reports(where))
    where.run(3_600, step_s=1)
    assert len({body["count_raw"] for body in reports(where)[before:]}) == 1


def test_a_drifting_counter_rises_with_nobody_there() -> None:
    where = town(0)
    where.fleet.inject("331002-0001", SENSOR, "drift", {"per_min": 2})
    where.run(600, step_s=1)
    last = reports(where)[-1]
    assert last["count_raw"] >= 19
    assert last["presence"] is False
    where.run(12 * 3_600, step_s=5)
    assert len(where.hub.events("count_reset")) == 1


def test_a_silent_sensor_says_nothing_until_it_is_healed() -> None:
    where = town(0)
    where.fleet.inject("331002-0001", SENSOR, "silent", {"for_s": 300})
    before = len(reports(where))
    where.run(299, step_s=1)
    assert len(reports(where)) == before
    where.run(15, step_s=1)
    assert len(reports(where)) > before
