"""Scenario files say what happens, or what is wrong with them, line by line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from device_sim.behaviour import behaviours
from device_sim.fault_kind import UnknownFault
from device_sim.injections import APART_S, WARM_UP_S, Injection, begin_ms, check_faults, draw
from device_sim.scenario import BadScenario, load_scenario, read_scenario, shipped
from device_sim.scenario_runs import SHORTEST_S, run_live
from device_sim.station_plan import StationPlan
from tests.device_sim.stand_in import plan

DAY = """
title: 测试
begins: 2026-07-20
days: 1
stations: 8
faults:
"""
JAMMED = DAY + "  - {fault: jammed, of: door_lock, times: 4, lasts: 1h, must_raise: [lock_jammed]}\n"


def plans(count: int = 8, area: str = "331002") -> list[StationPlan]:
    return [
        plan("door_lock", "swap_cabinet", id=f"{area}-{n:04d}", adcode=area, area=area) for n in range(count)
    ]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_scenario_asks_only_for_what_can_break(name: str) -> None:
    check_faults(load_scenario(name))


def test_the_hot_week_breaks_every_kind_and_the_stations_themselves() -> None:
    pages = load_scenario("hot_week").faults
    assert {page.of for page in pages} >= {*behaviours(), "station"}
    assert load_scenario("hot_week").stations == 1_800


@pytest.mark.parametrize(
    "text,says",
    [
        (
            DAY + "  - {fault: jammed, of: door_lock, times: 4, lasts: soon}\n",
            r"s.yaml:7: faults.1.lasts: .*30s, 5m",
        ),
        (DAY + "  - {fault: jammed, of: door_lock}\n", r"s.yaml:7: faults.1: needs one of times"),
        (DAY + "  - {fault: jammed, of: door_lock, times: 1, color: red}\n", r"s.yaml:7: faults.1.color: "),
        (DAY.replace("days: 1", "days: many") + "  []\n", r"s.yaml:4: days: "),
        (JAMMED.replace("times: 4", "times: 4, from: 25:00"), r"s.yaml:7: faults.1.from: .*14:30"),
        (JAMMED.replace("times: 4", "times: 4, from: 14:00, to: 13:00"), "`from` must be before `to`"),
        ("title: x\nfaults: [", r"s.yaml:\d+: is not YAML"),
        ("- 1\n", "s.yaml:1: must begin with names"),
        ("title: x\nbegins: 2026-07-20\n", "s.yaml:1: faults: Field required"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(text: str, says: str) -> None:
    with pytest.raises(BadScenario, match=says):
        read_scenario(text, "s.yaml")


def test_a_file_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="hot_week"):
        load_scenario(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "change,says",
    [
        (("jammed", "melted"), "faults.1: fault: door_lock has no 'melted'; there are forced"),
        (("of: door_lock", "of: teapot"), "faults.1: of: 'teapot' is not one of station"),
        (("times: 4", "times: 4, args: {depth: 3}"), "faults.1: .*no argument 'depth'"),
    ],
)
def test_a_fault_that_no_device_has_is_refused_with_those_that_it_has(
    change: tuple[str, str], says: str
) -> None:
    with pytest.raises(UnknownFault, match=says):
        check_faults(read_scenario(JAMMED.replace(*change)))


def test_the_same_seed_breaks_the_same_stations_and_none_twice_at_once() -> None:
    scenario = read_scenario(JAMMED.replace("times: 4", "times: 12"))
    drawn = draw(scenario, plans(), 1, 3)
    assert drawn == draw(scenario, plans(), 1, 3)
    assert drawn != draw(scenario, plans(), 1, 4)
    assert len(drawn) == 12
    assert all(one.at_s >= WARM_UP_S and one.until_s == one.at_s + 3_600 for one in drawn)
    assert [one.number for one in drawn] == list(range(12))
    for station in {one.station for one in drawn}:
        times = [(one.at_s, one.until_s) for one in drawn if one.station == station]
        assert all(later[0] >= earlier[1] + APART_S for earlier, later in itertools.pairwise(times))


def test_a_county_is_struck_as_a_whole_and_its_neighbour_not_at_all() -> None:
    scenario = read_scenario(
        DAY
        + "  - {fault: no_power, every_station: true, day: 1, from: 14:30, lasts: 3h,\n"
        + "     where: {area: 331002}}\n"
    )
    drawn = draw(scenario, [*plans(3), *plans(3, "331003")], 1, 1)
    assert [one.station for one in drawn] == ["331002-0000", "331002-0001", "331002-0002"]
    assert {one.at_s for one in drawn} == {14.5 * 3_600}
    assert begin_ms(scenario) == 1_784_476_800_000  # midnight in China


def run(scenario_text: str, stations: Sequence[StationPlan]) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []
    run_live(
        read_scenario(scenario_text),
        stations,
        lambda request: asked.append(dict(request)),
        lambda _: None,
        speed=1e9,
    )
    return asked


def test_a_live_run_asks_the_simulator_for_each_fault_and_for_its_end() -> None:
    asked = run(JAMMED, plans())
    assert len(asked) == 4
    assert all(one["fault"] == "jammed" and one["device"] == "door_lock/1" for one in asked)
    assert all(one["args"] == {"for_s": SHORTEST_S} for one in asked)


def test_an_injection_is_a_plain_value() -> None:
    one = Injection(0, 0, "331002-0001", None, "no_power", 10.0, 20.0)
    assert one == Injection(0, 0, "331002-0001", None, "no_power", 10.0, 20.0)
