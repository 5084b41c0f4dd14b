"""A buffer tells what was: trouble that is over when it is heard of opens nothing and moves nothing."""

from __future__ import annotations

from domain.facts import Value
from rules.watch import Watcher
from tests.rules.hub import CABINET, DOOR, SECOND, T0, Hub, Message, shipped

OPEN = {"leaf": "open", "mode": "normal"}
SLOT = 3


def tell(hub: Hub, of_s: float, at_s: float, /, **fields: Value) -> None:
    """What was true `of_s` seconds after the begin, heard of at `at_s`."""
    own, inner = ({}, {SLOT: fields}) if hub.device == CABINET else (fields, {})
    hub.wait(at_s)
    hub.take(Message(round(of_s * SECOND) + 1, T0 + round(of_s * SECOND), own, inner), hub.now_ms)


def test_a_door_that_was_held_open_and_is_closed_again_is_nobodys_business() -> None:
    hub = Hub(DOOR)
    tell(hub, 0, 300.0, **OPEN)
    tell(hub, 150, 300.1, **OPEN)
    tell(hub, 200, 300.2, leaf="closed", mode="normal")
    tell(hub, 300, 300.3, leaf="closed", mode="normal")
    hub.wait(420)
    assert hub.opened == []
    assert hub.state.watch == {}


def test_a_charger_that_was_hot_is_not_stopped_when_it_has_cooled_down() -> None:
    hub = Hub(CABINET)
    tell(hub, 0, 180.0, charger_temp_c=85.0)
    tell(hub, 30, 180.1, charger_temp_c=86.0)
    tell(hub, 90, 180.2, charger_temp_c=40.0)
    hub.wait(300)
    assert (hub.opened, hub.asked) == ([], [])


def test_what_still_holds_is_told_with_the_first_word_that_is_new_and_counts_from_its_begin() -> None:
    hub = Hub(DOOR)
    tell(hub, 0, 170.0, **OPEN)
    tell(hub, 100, 170.1, **OPEN)
    hub.wait(171)
    assert hub.opened == []
    tell(hub, 171, 171.1, **OPEN)
    assert hub.codes == {"door_held_open"}
    assert hub.opened[0].happened_ms == T0


def test_where_nothing_newer_comes_the_last_word_counts_after_half_a_minute() -> None:
    hub = Hub(DOOR)
    tell(hub, 0, 120, bolt="jammed")
    hub.wait(149.9)
    assert hub.opened == []
    hub.wait(150)
    assert hub.codes == {"lock_jammed"}


def test_a_hub_that_is_always_late_or_a_slow_clock_delays_nothing_by_more_than_two_minutes() -> None:
    hub = Hub(DOOR)
    for second in range(0, 300, 20):
        tell(hub, second, second + 120, bolt="jammed")
    assert hub.codes == {"lock_jammed"}
    assert hub.opened[0].learned_ms == T0 + (120 + 120) * SECOND


def test_an_emergency_and_what_somebody_must_look_at_are_told_however_late_they_are() -> None:
    hub = Hub(DOOR)
    tell(hub, 0, 120.0, tamper=True, forced=True)
    tell(hub, 10, 120.1, tamper=True, forced=False)
    assert hub.codes == {"door_forced", "lock_tamper"}


def test_another_rulebook_waits_for_no_newer_word() -> None:
    hub = Hub(DOOR)
    hub.say(0, bolt="jammed")
    hub.state.watch.clear()
    hub.now_ms = T0 + 120 * SECOND
    hub.watcher = Watcher(shipped())
    hub.note(hub.watcher.adopt(DOOR, hub.state, hub.now_ms))
    hub.wait_until(hub.now_ms)
    assert hub.codes == {"lock_jammed"}
