"""One alert from its first sign to its end."""

from __future__ import annotations

import json

import pytest

from devices.state import DeviceState
from rules.effects import OpenAlert, ResolveAlert
from rules.rulebook import Rulebook, load_rulebook
from rules.watch import Watcher
from tests.rules.hub import CABINET, DOOR, HOUR, MINUTE, SECOND, T0, Hub, Message


def book(*rules: str, version: int = 1) -> Rulebook:
    """Rules from their first lines; texts and severity are added."""
    text = "rules:\n"
    for rule in rules:
        lines = [line.strip() for line in rule.strip().splitlines()]
        level = ("紧急", "Emergency") if "severity: emergency" in lines else ("一般", "Minor")
        if not any(line.startswith("severity") for line in lines):
            lines.append("severity: minor")
        lines.append(
            f"""texts: {{zh: "【{level[0]}】{{station}}：测试。", en: "[{level[1]}] {{station}}: test."}}"""
        )
        text += "  - " + "\n    ".join(lines) + "\n"
    return load_rulebook(text, version=version)


JAM = """code: jam
kind: door_lock
when: bolt == "jammed"
for: 5s"""
FLAPPY = JAM + "\nclear_for: 30s"


def test_a_condition_that_ends_before_its_for_never_fires() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.say(4, bolt="locked")
    hub.wait(60)
    assert hub.opened == []
    assert hub.state.watch == {}


def test_it_fires_at_its_deadline_and_clears_with_the_next_good_report() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.wait(5)
    assert hub.codes == {"jam"}
    hub.say(6, bolt="locked")
    assert [one.reason for one in hub.resolved] == ["cleared"]


def test_what_is_under_way_survives_a_restart_in_the_middle() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.state = DeviceState.from_json(hub.state.to_json())
    hub.wait(5)
    assert hub.codes == {"jam"}


def test_entries_are_replaced_and_never_altered() -> None:
    hub = Hub(DOOR, book(FLAPPY))
    for at_s, bolt in enumerate(["jammed", "locked", "jammed", "jammed", "locked", "jammed", "locked"]):
        before = hub.state.watch
        frozen = json.dumps(before)
        hub.state = hub.state.copy()
        hub.say(at_s * 7, bolt=bolt)
        assert json.dumps(before) == frozen


def test_flapping_stays_one_alert_that_is_told_again() -> None:
    hub = Hub(DOOR, book(FLAPPY))
    hub.say(0, bolt="jammed")
    hub.wait(5)
    for at_s in (20, 60, 100):
        hub.say(at_s, bolt="locked")
        hub.say(at_s + 20, bolt="jammed")
    assert hub.codes == {"jam"}
    assert hub.resolved == []
    assert len(hub.opened) == 4
    hub.say(200, bolt="locked")
    hub.wait(229.9)
    assert hub.codes == {"jam"}
    hub.wait(230)
    assert hub.codes == set()


def test_no_data_never_ends_an_alert() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.wait(7 * 24 * 3600)
    assert hub.codes == {"jam"}
    hub.say(7 * 24 * 3600 + 1, bolt=None)
    hub.wait(8 * 24 * 3600)
    assert hub.codes == {"jam"}


def test_a_late_good_report_never_ends_an_alert_and_a_fresh_one_with_the_same_value_does() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.wait(5)
    now_ms = T0 + HOUR
    # Sent ten minutes ago: the newest that is known, and too old to say how it is now.
    hub.take(Message(8000, now_ms - 10 * MINUTE, {"bolt": "locked"}), now_ms)
    assert hub.codes == {"jam"}
    hub.take(Message(9000, now_ms + SECOND, {"bolt": "locked"}), now_ms + SECOND)
    assert hub.codes == set()


def test_a_report_from_before_the_alarm_does_not_end_it() -> None:
    hub = Hub(DOOR, book("code: pried\nkind: door_lock\nevent: forced\nwhen: forced == true\nlatch: false"))
    hub.event("forced", 100)
    hub.take(Message(200_000, T0 + 90 * SECOND, {"forced": False}), T0 + 101 * SECOND)
    assert hub.codes == {"pried"}
    hub.take(Message(200_001, T0 + 102 * SECOND, {"forced": False}), T0 + 102 * SECOND)
    assert hub.codes == set()


def test_a_late_bad_report_opens_nothing_but_the_next_one_that_repeats_it_does() -> None:
    hub = Hub(CABINET, book("code: hot\nkind: swap_cabinet\npart: slot\nwhen: temp_c >= 60"))
    hub.take(Message(1, T0, {}, {1: {"temp_c": 62.0}}), T0 + 10 * MINUTE)
    assert hub.codes == set()
    hub.take(Message(2, T0 + 10 * MINUTE, {}, {1: {"temp_c": 62.0}}), T0 + 10 * MINUTE + SECOND)
    assert hub.codes == {"hot"}


def test_a_backlog_counts_for_by_the_devices_time_not_by_its_arrival() -> None:
    hub = Hub(DOOR, book('code: ajar\nkind: door_lock\nwhen: leaf == "open"\nfor: 2m'))
    now_ms = T0 + 10 * MINUTE
    open_ms = now_ms - 4 * MINUTE
    hub.floor_ms = now_ms + MINUTE
    hub.take(Message(1, open_ms, {"leaf": "open"}), now_ms)
    hub.take(Message(2, open_ms + 10 * SECOND, {"leaf": "open"}), now_ms + 1)
    # The lanes have not caught up: what the next message says is still to come.
    hub.wait_until(now_ms + 10 * SECOND)
    assert hub.codes == set()
    hub.take(Message(3, open_ms + 20 * SECOND, {"leaf": "closed"}), now_ms + 11 * SECOND)
    hub.wait_until(now_ms + HOUR)
    assert hub.opened == []


def test_a_fact_that_is_too_old_decides_nothing_until_it_is_repeated() -> None:
    hub = Hub(DOOR, book('code: ajar\nkind: door_lock\nwhen: leaf == "open" && mode == "normal"'))
    hub.say(0, mode="normal")
    hub.say(600, leaf="open")
    assert hub.codes == set()
    hub.say(601, mode="normal")
    assert hub.codes == {"ajar"}


def test_a_latched_alert_ends_only_by_a_persons_reset() -> None:
    hub = Hub(DOOR, book("code: pried\nkind: door_lock\nwhen: tamper\nlatch: true"))
    hub.say(0, tamper=True)
    hub.say(1, tamper=False)
    hub.wait(3600)
    assert hub.codes == {"pried"}
    assert hub.reset("other") == []
    hub.reset("pried")
    assert hub.codes == set()


def test_a_reset_while_it_is_still_true_begins_a_new_episode() -> None:
    hub = Hub(DOOR, book("code: pried\nkind: door_lock\nwhen: tamper\nlatch: true"))
    hub.say(0, tamper=True)
    effects = hub.reset("pried")
    assert [type(one) for one in effects] == [ResolveAlert, OpenAlert]
    hub.wait(3600)
    # An hour later nobody knows whether it still is.
    assert [type(one) for one in hub.reset("pried")] == [ResolveAlert]


def test_an_inhibited_rule_waits_and_fires_when_the_cause_is_gone() -> None:
    upper = "code: power\nkind: door_lock\nwhen: mains_ok == false"
    hub = Hub(DOOR, book(upper, JAM + "\ninhibited_by: [power]"))
    hub.open_codes = {"power"}
    hub.say(0, bolt="jammed")
    hub.wait(200)
    assert hub.codes == set()
    hub.open_codes = set()
    hub.wait(240)
    assert hub.codes == {"jam"}


def test_a_new_rulebook_ends_what_it_no_longer_knows_and_keeps_what_waits() -> None:
    hub = Hub(DOOR, book(JAM, "code: pried\nkind: door_lock\nwhen: tamper\nlatch: true"))
    hub.say(0, tamper=True)
    hub.say(1, bolt="jammed")
    later = 'code: ajar\nkind: door_lock\nwhen: bolt == "jammed" && tamper'
    hub.watcher = Watcher(book(JAM, later, version=2))
    hub.note(hub.watcher.adopt(DOOR, hub.state, T0 + 2 * SECOND))
    assert [(one.code, one.reason) for one in hub.resolved] == [("pried", "rule_removed")]
    assert hub.codes == {"ajar"}
    assert hub.open[0, "ajar"].rulebook_version == 2
    hub.wait(6)
    assert hub.codes == {"ajar", "jam"}


def test_a_new_rulebook_with_the_same_rules_changes_nothing() -> None:
    hub = Hub(DOOR, book(JAM))
    hub.say(0, bolt="jammed")
    hub.wait(5)
    before = hub.state.to_json()
    hub.watcher = Watcher(book(JAM, version=2))
    assert hub.watcher.adopt(DOOR, hub.state, T0 + 6 * SECOND) == []
    assert hub.state.to_json() == before


def test_an_expression_that_fails_is_counted_and_decides_nothing() -> None:
    hub = Hub(DOOR, book("code: odd\nkind: door_lock\nwhen: 10 / cycles_6h > 3"))
    hub.say(0, leaf="closed")
    assert hub.codes == set()
    assert hub.watcher.errors == {"odd": 1}


@pytest.mark.parametrize(
    "age_min, opens",
    [
        (9, True),  # soon enough to matter
        (11, False),  # an ordinary event of a quarter of an hour ago is history
    ],
)
def test_an_ordinary_event_opens_its_alert_only_while_it_is_news(age_min: int, opens: bool) -> None:
    rule = 'code: stuck\nkind: door_lock\nevent: jammed\nclear: bolt == "locked"'
    hub = Hub(DOOR, book(rule))
    hub.take(Message(1, T0, {"bolt": "jammed"}, {}, "jammed"), T0 + age_min * MINUTE)
    assert ("stuck" in hub.codes) is opens


def test_the_places_of_a_text_are_filled_and_what_is_not_known_is_said_to_be() -> None:
    text = """
rules:
  - code: hot
    kind: swap_cabinet
    part: slot
    when: temp_c >= 60
    severity: minor
    texts:
      zh: "【一般】{station} {device} {slot} {temp_c} {soc_pct} {min} {sec}"
      en: "[Minor] {station} {device} {slot} {temp_c} {soc_pct} {min} {sec}"
"""
    hub = Hub(CABINET, load_rulebook(text, version=3))
    hub.take(Message(1, T0, {}, {4: {"temp_c": 60.25}}), T0 + 60 * SECOND)
    alert = hub.open[4, "hot"]
    assert alert.text_zh == "【一般】椒江万达驿站 换电柜 1 4 60.2 未知 1 60"
    assert alert.text_en == "[Minor] Jiaojiang Wanda Battery-swap cabinet 1 4 60.2 unknown 1 60"
    assert alert.values == {"temp_c": 60.25}
    assert (alert.rulebook_version, alert.happened_ms, alert.learned_ms) == (3, T0, T0 + 60 * SECOND)
