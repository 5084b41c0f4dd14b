"""The simulated climate sensor: it follows the room's air, and says at once what cannot wait."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from device_sim.house import House
from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town

ID = "331002-0001"
SENSOR = "climate_sensor/1"


def town(*more: str, visits_per_day: float = 0) -> Town:
    made = Town(plan("climate_sensor", *more, visits_per_day=visits_per_day))
    made.join()
    made.run(1)
    return made


def said(where: Town) -> dict[str, Any]:
    """What the hub knows of it: every report laid over the one before."""
    known: dict[str, Any] = {}
    for body in where.hub.of("telemetry", "climate_sensor"):
        known |= body
    return known


def temperatures(where: Town) -> list[float]:
    return [body["temp_c"] for body in where.hub.of("telemetry", "climate_sensor") if "temp_c" in body]


def test_it_reports_the_air_every_minute_and_the_air_moves_slowly() -> None:
    where = town()
    where.run(3_600, step_s=1)
    read = temperatures(where)
    assert 55 <= len(read) <= 75
    assert all(abs(after - before) < 0.5 for before, after in itertools.pairwise(read))


@pytest.mark.parametrize("event,safety", [("smoke", True), ("sos", True), ("leak", False)])
def test_what_cannot_wait_is_an_event_and_then_a_state_until_reset_on_site(event: str, safety: bool) -> None:
    where = town()
    where.fleet.inject(ID, SENSOR, event)
    where.carry()
    assert len(where.hub.events(event)) == 1
    assert said(where)[event] is True
    where.run(600, step_s=1)
    assert said(where)[event] is True
    where.fleet.heal(ID, SENSOR)
    where.carry()
    assert said(where)[event] is False


def test_a_fire_smokes_before_its_heat_is_felt() -> None:
    where = town()
    before_c = temperatures(where)[-1]
    where.fleet.inject(ID, SENSOR, "fire")
    where.run(20, step_s=0.5)
    assert len(where.hub.events("smoke")) == 1
    assert temperatures(where)[-1] < before_c + 6
    where.run(300, step_s=0.5)
    assert temperatures(where)[-1] > 57


def test_a_stuck_sensor_says_one_value_whatever_the_weather() -> None:
    where = town()
    where.fleet.inject(ID, SENSOR, "stuck")
    before = len(temperatures(where))
    where.run(6 * 3_600, step_s=30)
    assert len(set(temperatures(where)[before:])) == 1


def test_a_drifting_sensor_leaves_the_truth_behind() -> None:
    drifting, true = town(), town()
    drifting.fleet.inject(ID, SENSOR, "drift", {"c_per_h": 3})
    for where in (drifting, true):
        where.run(4 * 3_600, step_s=30)
    assert temperatures(drifting)[-1] - temperatures(true)[-1] == pytest.approx(12, abs=0.5)


def test_a_jumping_sensor_says_something_wild_now_and_then() -> None:
    where = town()
    where.fleet.inject(ID, SENSOR, "jump")
    before = len(temperatures(where))
    where.run(1_800, step_s=5)
    wild = [one for one in temperatures(where)[before:] if one == 95]
    assert 2 <= len(wild) < (len(temperatures(where)) - before) / 2


def test_the_mains_are_one_for_the_whole_station() -> None:
    where = town("power_switch")
    where.fleet.inject(ID, SENSOR, "mains_lost")
    where.run(2)
    assert said(where)["mains_ok"] is False
    assert len(where.hub.events("mains_lost")) == 1
    where.fleet.heal(ID, SENSOR)
    where.run(2)
    assert len(where.hub.events("mains_back")) == 1


def test_a_silent_sensor_tells_everything_when_it_is_back() -> None:
    where = town()
    where.fleet.inject(ID, SENSOR, "silent", {"for_s": 300})
    before = len(where.hub.of("telemetry"))
    where.run(299, step_s=1)
    assert len(where.hub.of("telemetry")) == before
    where.run(10, step_s=1)
    assert {"temp_c", "smoke", "sos", "leak", "mains_ok"} <= set(where.hub.of("telemetry")[-1])


def test_air_conditioning_cools_only_while_it_has_mains_and_works() -> None:
    def after_an_hour(**state: Any) -> float:
        house = House(air_c=34.0, passed_ms=0, **state)
        house.pass_time(3_600_000, 34.0, 2)
        return house.air_c

    assert 26.0 <= after_an_hour(ac_mode="cool") < 27.0
    assert after_an_hour() > 34.0
    assert after_an_hour(ac_mode="cool", mains_ok=False) > 34.0
    assert after_an_hour(ac_mode="cool", ac_works=False) > 34.0
    assert after_an_hour(ac_mode="heat") > 34.0
