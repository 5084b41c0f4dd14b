"""What was broken is set against what was raised, and nothing is counted twice."""

from __future__ import annotations

from device_sim.injections import Injection
from device_sim.scenario import read_scenario
from device_sim.score import AFTERWARDS_S, Raised, score

SCENARIO = read_scenario("""
title: 测试
begins: 2026-07-20
no_faults: [pre_cool]
faults:
  - {fault: jammed, of: door_lock, times: 2, lasts: 1h, must_raise: [lock_jammed], within: 10m,
     may_raise: [door_held_open]}
  - {fault: dead_link, times: 1, lasts: 1h, must_raise: [station_offline], within: 10m}
  - {fault: duplicates, times: 1, lasts: 1h}
""")
DOOR, OTHER = "331002-0001", "331002-0002"
JAM = Injection(0, 0, DOOR, "door_lock/1", "jammed", 1_000, 4_600)


def jammed(at_s: float, station: str = DOOR, device: str = "door_lock/1") -> Raised:
    return Raised(station, device, "lock_jammed", at_s)


def test_an_alert_in_time_raises_its_fault_and_gives_the_delay() -> None:
    found = score(SCENARIO, [JAM], [jammed(1_030)])
    assert (found.injected, found.raised, found.false_count) == (1, 1, 0)
    assert found.lines[0].recall == found.lines[0].precision == 1.0
    assert found.lines[0].median_s == 30


def test_an_alert_that_comes_too_late_does_not_raise_but_is_not_false() -> None:
    found = score(SCENARIO, [JAM], [jammed(1_700)])
    assert (found.raised, found.false_count, found.explained) == (0, 0, 1)
    assert found.lines[0].missed == [JAM]
    assert found.lines[0].recall == 0.0


def test_an_alert_without_a_fault_is_false_whether_elsewhere_before_or_long_after() -> None:
    alarms = [
        jammed(1_030, OTHER),
        jammed(900),
        jammed(4_600 + AFTERWARDS_S + 1),
        jammed(1_030, device="door_lock/2"),
    ]
    found = score(SCENARIO, [JAM], [*alarms, jammed(1_031)])
    assert found.false_count == 4
    assert found.lines[0].false_alarms == 4
    assert found.lines[0].precision == 0.2


def test_what_follows_from_a_fault_is_not_false_and_what_the_day_brings_is_neither() -> None:
    alarms = [
        Raised(DOOR, "door_lock/1", "door_held_open", 1_200),
        Raised(OTHER, "station/0", "pre_cool", 5_000),
    ]
    found = score(SCENARIO, [JAM], alarms)
    assert (found.explained, found.noted, found.false_count) == (1, 1, 0)


def test_a_code_that_no_fault_raises_is_counted_by_itself() -> None:
    found = score(SCENARIO, [], [Raised(OTHER, "swap_cabinet/1", "battery_worn", 5_000)])
    assert found.others == {"battery_worn": 1}


def test_a_fault_of_which_nothing_has_to_be_said_is_neither_raised_nor_missed() -> None:
    quiet = Injection(1, 2, OTHER, None, "duplicates", 1_000, 4_600)
    found = score(SCENARIO, [JAM, quiet], [jammed(1_030)])
    assert (found.injected, found.raised) == (1, 1)
    assert found.lines[2].injected == 1
    assert found.lines[2].recall is None


def test_two_alerts_of_one_fault_raise_it_once() -> None:
    found = score(SCENARIO, [JAM], [jammed(1_030), jammed(1_100)])
    assert (found.raised, found.explained, found.false_count) == (1, 1, 0)
