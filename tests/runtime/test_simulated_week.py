"""A few hours of a small town before a whole gateway: what breaks is raised, what does not is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_sim.injections import Injection
from device_sim.scenario import Scenario, read_scenario
from runtime.cli import app
from runtime.first_rulebook import SHIPPED
from runtime.simulated_week import SimulatedWeek
from runtime.week_report import Outcome, remarks, run_scenario, stations_of, table

pytestmark = pytest.mark.integration
TOWN = """
title: 小镇半天
begins: 2026-07-20
days: 0.1
stations: 8
weather: {hottest_c: 36}
no_faults: [pre_cool, ac_off_when_empty, night_power_off, power_wasted, no_full_battery, occupancy_over]
faults:
  - {fault: jammed, of: door_lock, times: 1, lasts: 10m, must_raise: [lock_jammed], within: 5m,
     may_raise: [door_contradiction]}
  - {fault: overheat, of: swap_cabinet, times: 1, lasts: 20m, must_raise: [battery_overheat], within: 20m,
     may_raise: [battery_warm, silence_while_hot, battery_runaway, door_released_long]}
  - {fault: sos, of: climate_sensor, times: 1, lasts: 5m, must_raise: [sos], within: 2m}
  - {fault: leak, of: water_dispenser, times: 1, lasts: 10m, must_raise: [water_leak], within: 5m,
     may_raise: [water_valve_shut]}
  - {fault: no_power, times: 1, lasts: 15m, must_raise: [station_offline], within: 10m,
     may_raise: [room_hot]}
  - {fault: duplicates, times: 1, lasts: 10m}
"""


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return read_scenario(TOWN)


@pytest.fixture(scope="module")
def outcome(scenario: Scenario) -> Outcome:
    said: list[str] = []
    found = run_scenario(scenario, SHIPPED.read_text(encoding="utf-8"), processes=1, say=said.append)
    assert said[0].startswith("8 stations, ")
    return found


def test_every_fault_is_raised_in_time_and_nothing_else(outcome: Outcome) -> None:
    assert outcome.score.injected == 5
    assert outcome.score.raised == 5, remarks(outcome)
    assert outcome.score.false_alarms == [], remarks(outcome)
    assert outcome.unwatched == ()
    assert outcome.quarantined == 0
    assert outcome.messages > 1_000


def test_a_help_button_is_heard_at_once_and_a_lost_station_after_five_minutes(outcome: Outcome) -> None:
    delays = {line.name: line.median_s for line in outcome.score.lines}
    sos_s, lost_s = delays["climate_sensor sos"], delays["station no_power"]
    assert sos_s is not None
    assert sos_s < 2
    assert lost_s is not None
    assert 290 <= lost_s <= 360


def test_the_table_ends_with_totals(outcome: Outcome) -> None:
    rows = table(outcome)
    assert rows[-1] == ("all", 5, 5, "100.0 %", 0, "100.0 %", "")
    assert ("station duplicates", 1, "none due", "", "", "", "") in rows
    assert "5 told of a fault in time" in remarks(outcome)[0]


def test_a_battery_that_burns_is_one_alert_for_its_slot(scenario: Scenario) -> None:
    town = stations_of(scenario, 60)
    plan = next(one for one in town if any(device.kind == "swap_cabinet" for device in one.devices))
    fire = Injection(0, 1, plan.id, "swap_cabinet/1", "runaway", 4_000, 5_000)
    with SimulatedWeek(scenario, [plan], [fire], SHIPPED.read_text(encoding="utf-8")) as week:
        codes = [alert.code for alert in week.live(5_500 / 86_400).raised if alert.device == "swap_cabinet/1"]
    assert codes[0] == "battery_runaway"
    assert set(codes) <= {"battery_runaway", "cabinet_smoke"}


def test_a_rule_that_is_missing_is_missed_and_named(scenario: Scenario) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("code: lock_jammed", "code: lock_something")
    only = scenario.model_copy(update={"faults": scenario.faults[:1], "stations": 2})
    found = run_scenario(only, text, processes=1)
    assert found.unwatched == ("lock_jammed",)
    assert found.score.raised == 0
    assert found.score.others == {"lock_something": 1}
    assert any(sentence.startswith("Missed: ") for sentence in remarks(found))


def test_a_file_with_a_mistake_stops_the_command_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TOWN.replace("days: 0.1", "days: many"), encoding="utf-8")
    result = CliRunner().invoke(app, ["sim", "run-scenario", str(path), "--in-process"])
    assert result.exit_code == 1
    assert "mine.yaml:4: days" in result.output
