"""A closed station through a whole gateway: it rests when nobody is there and is ready when it opens."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from device_sim.injections import Injection
from device_sim.scenario import Scenario, WeatherPage
from device_sim.station_plan import StationPlan
from runtime.simulated_week import SimulatedWeek
from storage.tables import alert, command
from tests.device_sim.stand_in import plan

pytestmark = pytest.mark.integration

RULEBOOK = Path(__file__).resolve().parents[2] / "rules" / "rulebook.yaml"
DAY_MIN = 24 * 60
KINDS = ("door_lock", "occupancy_sensor", "climate_sensor", "power_switch")


def night(station: StationPlan, minutes: int, hottest_c: float) -> tuple[list[tuple[str, str]], set[str]]:
    """The first minutes after midnight: what was asked and what came of it, and which alerts there were."""
    scenario = Scenario(
        title="night", begins=date(2026, 1, 12), days=1, stations=1,
        weather=WeatherPage(hottest_c=hottest_c), faults=(),
    )  # fmt: skip
    # A meter that stands still harms nobody, and makes the simulation look closely at the station.
    still = Injection(1, 1, station.id, "power_switch/1", "meter_stuck", 1.0, 86_400.0)
    with SimulatedWeek(scenario, [station], [still], RULEBOOK.read_text(encoding="utf-8")) as week:
        week.live(minutes / DAY_MIN)
        with week._database.read() as connection:
            asked = connection.execute(
                sa.select(command.c.action, command.c.state).order_by(command.c.requested_ms)
            )
            codes = connection.execute(sa.select(alert.c.code))
            return [(row.action, row.state) for row in asked], {row.code for row in codes}


def test_twenty_minutes_after_closing_an_empty_station_goes_to_rest_and_says_so() -> None:
    asked, codes = night(plan(*KINDS, hours="08:00-22:00", visits_per_day=0), 25, 15)
    assert asked == [("power_down", "done")]
    assert "night_power_off" in codes


def test_half_an_hour_before_opening_a_cold_station_is_heated() -> None:
    asked, codes = night(plan(*KINDS, hours="00:40-20:00", visits_per_day=0), 15, -4)
    assert asked == [("ac_heat", "done")]
    assert "pre_heat" in codes


def test_without_a_people_counter_nothing_is_ever_switched_off() -> None:
    kinds = ("door_lock", "climate_sensor", "power_switch")
    asked, codes = night(plan(*kinds, hours="08:00-22:00", visits_per_day=0), 45, 15)
    assert asked == []
    assert "night_power_off" not in codes
