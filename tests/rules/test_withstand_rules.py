"""Sensors that contradict, stick and jump; rules that divide by zero, never end, or fire all at once."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId
from rules.effects import OpenAlert, ResolveAlert
from rules.rulebook import load_rulebook
from rules.watch import Watcher
from tests.rules.hub import CABINET, DOOR, MINUTE, SECOND, STATION, T0, Hub, Message, shipped

COUNTER = DeviceId("331002-0001", "occupancy_sensor", 1)


def book(*rules: str) -> str:
    return "rules:\n" + "\n".join(rules)


def rule(code: str, when: str, more: str = "", kind: str = "door_lock") -> str:
    return (
        f"  - {{code: {code}, kind: {kind}, when: '{when}', severity: minor, {more}\n"
        f'     texts: {{zh: "【一般】{{station}}：{code}。", en: "[Minor] {{station}}: {code}."}}}}\n'
    )


def test_a_door_that_is_closed_and_forced_is_both_and_nothing_more() -> None:
    hub = Hub(DOOR)
    hub.say(0, leaf="closed", bolt="locked", mode="normal", forced=True)
    hub.heard_ms = T0
    hub.wait(3600)
    assert hub.codes == {"door_forced"}
    hub.say(3700, leaf="closed", bolt="locked", mode="normal", forced=False)
    assert hub.codes == {"door_forced"}


def test_a_lock_that_says_locked_while_its_leaf_says_open_is_told_once() -> None:
    hub = Hub(DOOR)
    for at_s in range(0, 110, 10):
        hub.say(at_s, leaf="open", bolt="locked", mode="normal", forced=False)
    assert hub.codes == {"door_contradiction"}
    assert len(hub.opened) == 1


def test_a_slot_that_is_full_and_empty_at_once_is_told_as_that() -> None:
    hub = Hub(CABINET)
    for minute in range(7):
        hub.slot(4, minute * 60, state="full", soc_pct=20.0, temp_c=30.0)
    assert set(hub.open) == {(4, "slot_contradiction")}
    assert "full" in hub.open[4, "slot_contradiction"].text_en


def test_a_counter_that_counts_people_where_nobody_is_is_told_and_a_word_from_elsewhere_ends_nothing() -> (
    None
):
    hub = Hub(STATION)
    facts: dict[str, Value] = {
        "occupancy.count_raw": 4,
        "occupancy.presence": False,
        "occupancy.presence_min": 30,
    }
    hub.note(hub.watcher.station(STATION, hub.state, facts, T0))
    hub.wait(30)
    assert hub.codes == {"occupancy_stuck"}
    hub.note(hub.watcher.station(STATION, hub.state, {"occupancy.presence": True}, T0 + MINUTE))
    assert hub.codes == {"occupancy_stuck"}


def test_one_wild_reading_of_a_temperature_is_no_fire_and_no_silence() -> None:
    hub = Hub(CABINET)
    for at_s in range(0, 600, 10):
        hub.slot(2, at_s, temp_c=52.0 if at_s == 300 else 31.0, charger_on=True, state="charging")
    assert "battery_runaway" not in hub.codes or hub.opened[0].happened_ms == T0 + 300 * SECOND
    assert not [alert for alert in hub.opened if alert.code in ("battery_overheat", "silence_while_hot")]


def test_another_battery_in_the_slot_is_no_rise_however_hot_it_comes() -> None:
    hub = Hub(CABINET)
    hub.slot(2, 0, temp_c=12.0, pack_v=53.0, state="full", charger_on=False)
    hub.slot(2, 10, temp_c=None, pack_v=None, state="empty")
    hub.slot(2, 20, temp_c=49.0, pack_v=45.0, state="charging", charger_on=False)
    hub.slot(2, 30, temp_c=49.4, pack_v=45.1, state="charging", charger_on=False)
    assert hub.codes == set()


def test_the_last_digit_of_a_warm_sensor_is_no_rise() -> None:
    hub = Hub(CABINET)
    for tenth in range(100):
        hub.slot(2, tenth / 2, temp_c=47.0 + 0.1 * (tenth % 2), charger_on=False, state="full")
    assert hub.codes == set()


def test_a_voltage_that_falls_while_it_gets_warm_is_a_runaway() -> None:
    hub = Hub(CABINET)
    hub.slot(2, 0, temp_c=46.0, pack_v=52.0)
    hub.slot(2, 30, temp_c=47.5, pack_v=36.0)
    assert (2, "battery_runaway") in hub.open


def test_a_drifting_counter_never_says_that_anybody_is_locked_out_or_in() -> None:
    hub = Hub(COUNTER)
    for minute in range(300):
        hub.say(minute * 60, count_raw=min(1000, minute * 7), presence=minute % 2 == 0)
    assert hub.asked == []


def test_a_stuck_sensor_that_repeats_itself_for_days_opens_each_alert_once() -> None:
    hub = Hub(CABINET)
    for minute in range(0, 24 * 60, 4):
        hub.slot(1, minute * 60, state="charging", charger_on=True, temp_c=35.0, soc_pct=81.0)
    assert [alert.code for alert in hub.opened] == ["charge_timeout"]


def test_slots_whose_sensors_are_swapped_each_have_their_own_alert_and_no_other_slots() -> None:
    hub = Hub(CABINET)
    hub._next(0, parts={1: {"temp_c": 61.0}, 2: {"temp_c": 30.0}})
    hub._next(20, parts={1: {"temp_c": 30.0}, 2: {"temp_c": 61.0}})
    hub._next(40, parts={1: {"temp_c": 30.0}, 2: {"temp_c": 61.0}})
    # What seems to rise by 31 °C within seconds is taken for the graver thing.
    assert set(hub.open) == {(2, "battery_runaway")}


@pytest.mark.parametrize("order", range(6))
def test_slots_may_come_in_any_order_and_in_any_number_of_messages(order: int) -> None:
    hub, slots = Hub(CABINET), list(range(1, 49))
    random.Random(order).shuffle(slots)
    at_s = 0.0
    for first in range(0, 48, 1 + order * 9):
        part = slots[first : first + 1 + order * 9]
        hub._next(at_s, parts={n: {"temp_c": 64.0 if n % 8 == 0 else 30.0} for n in part})
        at_s += 0.01
    hub.wait(20)
    assert set(hub.open) == {(n, "battery_overheat") for n in range(8, 49, 8)}


def test_a_rule_that_divides_by_zero_is_unknown_counted_and_hurts_no_other() -> None:
    text = book(
        rule("divides", "(unlocks_5m / (cycles_6h - cycles_6h)) > 1"),
        rule("sound", 'leaf == "open"'),
    )
    watched = load_rulebook(text, version=1)
    hub = Hub(DOOR, watched)
    for minute in range(5):
        hub.say(minute * 60, leaf="open" if minute % 2 else "closed", bolt="unlocked")
    hub.say(400, leaf="open")
    assert hub.codes == {"sound"}
    assert hub.watcher.errors["divides"] > 0
    assert hub.watcher.errors["sound"] == 0


def test_a_rule_that_can_never_end_by_itself_ends_when_its_rule_goes() -> None:
    text = book(
        rule(
            "endless", 'leaf == "open" || leaf == "closed"', "clear: \"leaf == 'unknown' && leaf == 'open'\","
        )
    )
    hub = Hub(DOOR, load_rulebook(text, version=1))
    for minute in range(60):
        hub.say(minute * 60, leaf="open" if minute % 2 else "closed")
    assert len(hub.opened) == 1
    assert hub.resolved == []
    after = Watcher(load_rulebook(book(rule("other", 'leaf == "open"')), version=2))
    (ended,) = [one for one in after.adopt(DOOR, hub.state, hub.now_ms) if isinstance(one, ResolveAlert)]
    assert (ended.code, ended.reason) == ("endless", "rule_removed")


def test_two_hundred_rules_that_fire_at_once_open_one_alert_each_and_end_together() -> None:
    text = book(*(rule(f"rule_{at}", 'leaf == "open"') for at in range(200)))
    hub = Hub(DOOR, load_rulebook(text, version=1))
    opened = [one for one in hub.say(0, leaf="open") if isinstance(one, OpenAlert)]
    assert len(opened) == 200
    assert [one for one in hub.say(1, leaf="open") if isinstance(one, OpenAlert)] == []
    hub.say(2, leaf="closed")
    assert len(hub.resolved) == 200
    assert hub.state.watch == {}


def test_everything_in_a_cabinet_breaks_at_once_and_each_is_told_once() -> None:
    hub = Hub(CABINET)
    worst: dict[str, Value] = {
        "state": "charging", "charger_on": True, "temp_c": 80.0, "bms": "short", "cell_delta_mv": 900.0,
        "charger_temp_c": 99.0, "pack_a": 30.0, "extinguisher": "fired", "door": "open", "soc_pct": 10.0,
        "soh_pct": 20.0, "cycles": 5000,
    }  # fmt: skip
    own: dict[str, Value] = {
        "smoke": True, "flooded": True, "mains_ok": False, "estop": True, "service_door": "open",
        "status": "fault", "cabinet_temp_c": 90.0, "enabled": True, "charging_enabled": True,
    }  # fmt: skip
    for at_s in range(0, 900, 30):
        hub._next(at_s, own=own, parts=dict.fromkeys(range(1, 13), worst))
    told = [(alert.part, alert.code) for alert in hub.opened]
    assert len(told) == len(set(told))
    assert {"battery_runaway", "cabinet_smoke", "extinguisher_fired", "cabinet_flooded"} <= hub.codes
    assert {one.command for one in hub.asked} == {"cut_power", "release", "stop_charge", "disable_slot"}


VALUES = st.sampled_from([None, True, False, 0, 1, -5, 60.0, 80.5, 1e9, "open", "full", "fault", ""])


@given(
    st.sampled_from(sorted(kinds())), st.lists(st.tuples(st.integers(0, 600), VALUES, VALUES), max_size=12)
)
def test_no_value_and_no_order_breaks_a_rule(kind: str, told: list[tuple[int, Value, Value]]) -> None:
    """Only types that a kind refuses never come this far; everything else must be withstood."""
    known = kinds()[kind]
    hub = Hub(DeviceId("331002-0001", kind, 1))
    now_ms = T0
    for seq, (at_s, one, other) in enumerate(told):
        fields = _typed(known.metrics, one)
        inner = {1: _typed(known.part_metrics, other)} if known.parts else {}
        now_ms = max(now_ms, T0 + at_s * SECOND)
        hub.take(Message(seq, T0 + at_s * SECOND, fields, inner), now_ms)
        hub.wait_until(now_ms)
    hub.wait_until(now_ms + 10 * MINUTE)
    keys = [(alert.part, alert.code, alert.happened_ms) for alert in hub.opened]
    assert len(keys) >= len(hub.open)


def _typed(metrics: object, value: Value) -> dict[str, Value]:
    fits = {"float": (float, int), "int": (int,), "bool": (bool,), "str": (str,)}
    found: dict[str, Value] = {}
    for name, metric in metrics.items():  # type: ignore[attr-defined]
        if value is None or (
            isinstance(value, fits[metric.type])
            and isinstance(value, bool) == (metric.type == "bool")
            and (not metric.choices or value in metric.choices)
        ):
            found[name] = value if metric.type != "float" or value is None else float(value)
    return found


def test_a_rulebook_may_be_swapped_at_any_moment_of_a_story() -> None:
    """The same story with and without swaps to the same rules ends with the same alerts."""
    story = [(0, 30.0), (10, 61.0), (20, 61.5), (40, 50.0), (60, 62.0), (75, 63.0), (100, 40.0)]
    plain, swapped = Hub(CABINET), Hub(CABINET)
    for (at_s, temp_c), (next_s, _) in pairwise([*story, (130, 0.0)]):
        plain.slot(1, at_s, temp_c=temp_c)
        swapped.slot(1, at_s, temp_c=temp_c)
        swapped.wait((at_s + next_s) / 2)
        swapped.watcher = Watcher(shipped())
        swapped.note(swapped.watcher.adopt(CABINET, swapped.state, swapped.now_ms))
    assert [(a.code, a.happened_ms) for a in swapped.opened] == [
        (a.code, a.happened_ms) for a in plain.opened
    ]
    assert [(r.code, r.reason) for r in swapped.resolved] == [(r.code, r.reason) for r in plain.resolved]
