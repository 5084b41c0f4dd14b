"""The rulebook that comes with Waystation does what it says, rule by rule."""

from __future__ import annotations

import re

import pytest

from devices.registry import kinds
from domain.errors import BadRulebook
from domain.ids import DeviceId
from rules.effects import Ask, OpenAlert
from rules.rule import LEVEL_ZH, Rule
from rules.rulebook import load_rulebook
from rules.watch import Watcher
from tests.rules.hub import CABINET, DOOR, MINUTE, SECOND, SHIPPED, STATION, T0, Hub, Message, shipped

RULES = [pytest.param(rule, id=rule.code) for rule in shipped().rules]


def test_the_cases_beside_the_rules_come_out_as_they_say() -> None:
    assert shipped().check_cases() == ()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_cases_that_fire_that_do_not_and_that_clear_unless_it_latches(rule: Rule) -> None:
    needed = {"must_fire", "must_not"} | (set() if rule.latch else {"must_clear"})
    assert {case.wanted for case in rule.cases} >= needed


@pytest.mark.parametrize("rule", RULES)
def test_every_text_says_level_station_and_what_happened_in_both_languages(rule: Rule) -> None:
    assert rule.text_zh.startswith(f"【{LEVEL_ZH[rule.severity]}】{{station}}")
    assert "：" in rule.text_zh
    assert "{station}" in rule.text_en
    # Short enough for one message on a phone.
    assert len(rule.text_zh) <= 90
    assert len(rule.text_en) <= 180
    assert re.search(r"[。]$", rule.text_zh)


def test_every_shape_of_rule_is_there() -> None:
    rules = {rule.code: rule for rule in shipped().rules}
    assert {
        "door_forced",
        "door_held_open",
        "lock_jammed",
        "battery_overheat",
        "battery_runaway",
    } <= rules.keys()
    assert {
        "cabinet_smoke",
        "cabinet_offline",
        "occupancy_stuck",
        "station_offline",
        "clock_fault",
    } <= rules.keys()
    assert {code for code, rule in rules.items() if rule.safety} >= {
        "door_forced",
        "battery_runaway",
        "cabinet_smoke",
        "extinguisher_fired",
        "silence_while_hot",
    }
    assert all(rule.latch for rule in rules.values() if rule.safety)


def test_a_forced_door_is_told_at_once_and_stays_until_a_person_resets_it() -> None:
    hub = Hub(DOOR)
    hub.say(0, leaf="closed", bolt="locked", mode="normal", forced=False)
    hub.event("forced", 10)
    alert = hub.open[0, "door_forced"]
    assert (alert.severity, alert.safety, alert.latch, alert.refuse_entry) == ("emergency", True, True, False)
    assert alert.text_zh == "【紧急】椒江万达驿站 · 门：未经开锁被打开，请查看并联系现场。"
    hub.say(20, leaf="closed", bolt="locked", mode="normal", forced=False)
    hub.heard_ms = T0
    hub.wait(3600)
    assert hub.codes == {"door_forced"}
    hub.reset("door_forced")
    assert hub.codes == set()
    assert hub.resolved[-1].reason == "reset"


def test_a_held_door_counts_its_two_minutes_by_the_devices_time() -> None:
    hub = Hub(DOOR)
    hub.say(0, leaf="open", bolt="unlocked", mode="normal")
    assert hub.wait(119.9) == []
    (opened,) = hub.wait(120)
    assert isinstance(opened, OpenAlert)
    assert opened.happened_ms == T0
    assert "敞开 120 秒" in opened.text_zh
    hub.say(180, leaf="closed")
    assert hub.codes == set()


def test_an_overheated_battery_is_switched_off_and_kept_and_clears_below_55() -> None:
    hub = Hub(CABINET)
    hub.slot(3, 0, temp_c=61.5, state="charging")
    effects = hub.wait(10)
    assert Ask(CABINET, 3, "stop_charge", "battery_overheat", {"slot": 3}) in effects
    assert Ask(CABINET, 3, "disable_slot", "battery_overheat", {"slot": 3}) in effects
    assert "3 号仓：电池 61.5 ℃" in hub.open[3, "battery_overheat"].text_zh
    hub.slot(3, 50, temp_c=56.0)
    assert hub.codes == {"battery_overheat"}
    hub.slot(3, 85, temp_c=54.9)
    assert hub.codes == set()


def test_two_slots_have_an_alert_each() -> None:
    hub = Hub(CABINET)
    hub._next(0, parts={3: {"temp_c": 61.0}, 4: {"temp_c": 62.0}})
    hub.wait(10)
    assert set(hub.open) == {(3, "battery_overheat"), (4, "battery_overheat")}


def test_a_runaway_cuts_power_releases_the_door_and_refuses_entry() -> None:
    hub = Hub(CABINET)
    effects = hub.slot(7, 0, temp_c=80.0)
    alert = hub.open[7, "battery_runaway"]
    assert alert.refuse_entry
    assert [one for one in effects if isinstance(one, Ask) and one.code == "battery_runaway"] == [
        Ask(CABINET, 0, "cut_power", "battery_runaway", {}),
        Ask("door", 0, "release", "battery_runaway", {}),
        Ask(CABINET, 7, "stop_charge", "battery_runaway", {"slot": 7}),
        Ask(CABINET, 7, "disable_slot", "battery_runaway", {"slot": 7}),
    ]
    assert "（80 ℃，未知 ℃/分）" in alert.text_zh


def test_a_battery_that_burns_is_one_alert_and_not_one_for_each_thing_that_is_true_of_it() -> None:
    hub = Hub(CABINET)
    for at_s, temp_c in [(0, 53.0), (50, 54.0), (100, 58.0), (150, 61.0), (170, 62.0)]:
        hub.slot(4, at_s, temp_c=temp_c, charger_on=True, state="charging")
        assert len(hub.codes) <= 1
    assert hub.codes == {"battery_overheat"}
    for at_s, temp_c in [(190, 70.0), (210, 85.0), (230, 120.0)]:
        hub.slot(4, at_s, temp_c=temp_c, charger_on=True, state="fault")
    hub.wait(600)
    assert {code for part, code in hub.open if part == 4} == {"battery_runaway"}
    assert [(one.code, one.reason) for one in hub.resolved if one.part == 4] == [
        ("battery_warm", "superseded"),
        ("battery_overheat", "superseded"),
    ]


def test_a_graver_alert_of_another_slot_explains_nothing() -> None:
    hub = Hub(CABINET)
    hub._next(0, parts={3: {"temp_c": 80.0}, 4: {"temp_c": 61.0}})
    hub.wait(30)
    assert set(hub.open) == {(3, "battery_runaway"), (4, "battery_overheat")}


def test_heat_is_told_again_once_a_person_has_ended_the_runaway() -> None:
    hub = Hub(CABINET)
    hub.slot(5, 0, temp_c=80.0)
    hub.slot(5, 30, temp_c=62.0)
    hub.slot(5, 60, temp_c=62.0)
    assert hub.codes == {"battery_runaway"}
    hub.reset("battery_runaway", 5)
    hub.slot(5, 90, temp_c=62.0)
    assert hub.codes == {"battery_overheat"}


@pytest.mark.parametrize(
    "temperatures, fires",
    [
        ([(0, 40.0), (60, 46.0)], True),  # 6 °C in a minute, now above 45
        ([(0, 30.0), (60, 40.0)], False),  # fast, but still cool
        ([(0, 46.0), (60, 50.0)], False),  # warm, but 4 °C a minute is a normal charge in summer
        ([(0, 46.0), (130, 60.0)], False),  # the older sample lies outside the two minutes
    ],
)
def test_a_fast_rise_is_a_runaway_before_it_is_hot(
    temperatures: list[tuple[int, float]], fires: bool
) -> None:
    hub = Hub(CABINET)
    for at_s, temp_c in temperatures:
        hub.slot(2, at_s, temp_c=temp_c)
    assert ("battery_runaway" in hub.codes) is fires


def test_heat_and_smoke_together_are_a_runaway_in_whichever_order_they_come() -> None:
    for hot_first in (True, False):
        hub = Hub(CABINET)
        hub.slot(1, 0, temp_c=62.0 if hot_first else 30.0)
        hub.say(0.5, smoke=not hot_first)
        hub._next(200, own={"smoke": True}, parts={1: {"temp_c": 62.0}})
        assert (1, "battery_runaway") in hub.open


def test_the_smoke_event_acts_at_once_and_the_smoke_reading_after_three_seconds() -> None:
    told = Hub(CABINET)
    assert any(isinstance(one, Ask) for one in told.event("smoke", 1))
    reported = Hub(CABINET)
    reported.say(1, smoke=False)
    assert reported.say(2, smoke=True) == []
    reported.wait(5)
    assert reported.codes == {"cabinet_smoke"}


def test_the_same_smoke_told_by_event_and_by_reading_is_asked_for_once() -> None:
    hub = Hub(CABINET)
    hub.event("smoke", 1)
    asked = list(hub.asked)
    hub.say(2, smoke=True)
    hub.wait(60)
    assert hub.asked == asked
    assert len(hub.opened) == 1


def test_a_silent_cabinet_counts_only_while_its_box_talks() -> None:
    hub = Hub(CABINET)
    hub.say(0, smoke=False)
    hub.heard_ms = T0 + 4 * MINUTE
    hub.wait(400)
    assert hub.codes == set()
    hub.heard_ms = T0 + 12 * MINUTE
    hub.wait(720)
    assert hub.codes == {"cabinet_offline"}
    assert "换电柜 1：已离线" in hub.open[0, "cabinet_offline"].text_zh
    hub.say(800, smoke=False)
    assert hub.codes == set()


def test_a_lost_station_hides_the_silence_of_its_cabinet_and_then_no_longer() -> None:
    hub = Hub(CABINET)
    hub.say(0, smoke=False)
    hub.open_codes = {"station_offline"}
    hub.wait(900)
    assert hub.codes == set()
    hub.open_codes = set()
    hub.wait(960)
    assert hub.codes == {"cabinet_offline"}


def test_no_silence_counts_before_the_lanes_have_caught_up() -> None:
    hub = Hub(STATION)
    hub.state.seen_ms = T0
    hub.floor_ms = T0 + 6 * MINUTE
    hub.wait(660 - 1)
    assert hub.codes == set()
    hub.wait(660)
    assert hub.codes == {"station_offline"}
    hub.state.seen_ms = hub.now_ms + SECOND
    hub.note(hub.watcher.reading(STATION, hub.state, 0, (), hub.now_ms + SECOND))
    assert hub.codes == set()


def test_a_counter_that_does_not_fit_the_door_is_told_and_clears_when_it_moves() -> None:
    hub = Hub(STATION)
    facts = {"occupancy.unchanged_min": 361, "door.cycles_6h": 5, "occupancy.count_raw": 3}
    hub.note(hub.watcher.station(STATION, hub.state, facts, T0))
    hub.wait(30)
    assert hub.codes == {"occupancy_stuck"}
    assert "数值（3）" in hub.open[0, "occupancy_stuck"].text_zh
    # The door is silent: nothing is known, nothing ends.
    hub.note(hub.watcher.station(STATION, hub.state, {"occupancy.unchanged_min": 362}, T0 + MINUTE))
    assert hub.codes == {"occupancy_stuck"}
    moved = {
        "occupancy.unchanged_min": 0,
        "occupancy.count_raw": 2,
        "occupancy.presence": True,
        "occupancy.presence_min": 10,
    }
    hub.note(hub.watcher.station(STATION, hub.state, moved, T0 + 2 * MINUTE))
    assert hub.codes == set()


@pytest.mark.parametrize("device", [STATION, DOOR])
def test_a_clock_that_cannot_be_used_is_told_after_a_minute(device: DeviceId) -> None:
    hub = Hub(device)
    hub.state.clock_fault = True
    hub.note(hub.watcher.reading(device, hub.state, 0, (), T0))
    hub.wait(60)
    assert hub.codes == {"clock_fault"}
    hub.state.clock_fault = False
    hub.note(hub.watcher.reading(device, hub.state, 0, (), T0 + 2 * MINUTE))
    assert hub.codes == set()


def test_a_late_alert_says_when_it_happened_and_when_it_was_learned() -> None:
    hub = Hub(DOOR)
    late = Message(1, T0, {"leaf": "open", "forced": True}, {}, "forced")
    hub.take(late, T0 + 40 * MINUTE)
    alert = hub.open[0, "door_forced"]
    assert (alert.happened_ms, alert.learned_ms) == (T0, T0 + 40 * MINUTE)
    # T0 is 11:06:40 UTC: 19:06 in Zhejiang.
    assert alert.text_zh.endswith("（19:06 发生，19:46 才得知）")
    assert alert.text_en.endswith("(Happened at 19:06, learned at 19:46.)")


def test_every_kind_can_be_watched_without_a_rule_of_its_own() -> None:
    watcher = Watcher(shipped())
    for name in kinds():
        hub = Hub(DeviceId("331002-0001", name, 1))
        assert watcher.reading(hub.device, hub.state, 0, (), T0) == []


@pytest.mark.parametrize("graver", ["cabinet_bay_hot", "battery_overheat", "room_smoke"])
def test_a_silence_after_heat_gives_way_only_to_what_does_all_that_it_would_do(graver: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    where = text.index("  - code: silence_while_hot")
    changed = text[:where] + text[where:].replace("[battery_runaway]", f"[{graver}]", 1)
    with pytest.raises(BadRulebook, match=f"gives way only to one that does all it does, and '{graver}'"):
        load_rulebook(changed, version=1)
