"""What must hold whatever is said, however often, and in whatever order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.registry import kinds
from domain.errors import BadRulebook
from domain.facts import Value
from domain.ids import DeviceId
from rules.effects import Ask, OpenAlert, ResolveAlert
from rules.rule import NEVER_BY_RULE
from rules.rulebook import load_rulebook
from tests.rules.hub import CABINET, DOOR, HOUR, MINUTE, SECOND, T0, Hub, Message

# Reports are further apart than the window in which a rise is measured: how fast something rose between
# two reports can be known only when the later one comes after the earlier.
APART_MS = 130 * SECOND
SAFETY_CODES = {"forced": "door_forced", "smoke": "cabinet_smoke", "runaway": "battery_runaway"}
HUSHED = {"silence_while_hot"}

DOOR_REPORTS: st.SearchStrategy[Mapping[str, Value]] = st.fixed_dictionaries(
    {
        "leaf": st.sampled_from(["open", "closed", "unknown"]),
        "bolt": st.sampled_from(["locked", "unlocked", "jammed", "moving"]),
        "mode": st.sampled_from(["normal", "fire_release", "maintenance", "lockdown"]),
        "forced": st.booleans(),
    }
)
DOOR_EVENTS = st.sampled_from(["forced", "opened", "closed", "locked", "unlocked", "jammed", "inside_button"])


@st.composite
def door_runs(draw: st.DrawFn) -> list[Message]:
    """Full reports and events of a door, in their order."""
    run = []
    for at in range(draw(st.integers(1, 8))):
        at_ms = T0 + at * APART_MS
        if draw(st.booleans()):
            type_ = draw(DOOR_EVENTS)
            run.append(Message(at, at_ms, kinds()["door_lock"].events[type_].sets, {}, type_))
        else:
            run.append(Message(at, at_ms, draw(DOOR_REPORTS)))
    return run


@st.composite
def cabinet_runs(draw: st.DrawFn, slots: int = 2) -> list[Message]:
    """Full reports and events of a cabinet, in their order.

    Heat that is a runaway only together with smoke is told together with it: two messages that say half
    of it each can be put together only in their own order.
    """
    with_events = draw(st.booleans())
    heats = [25.0, 45.0, 57.0, 80.0] if with_events else [25.0, 45.0, 57.0, 62.0, 80.0]
    run = []
    for at in range(draw(st.integers(1, 8))):
        at_ms = T0 + at * APART_MS
        if with_events and draw(st.integers(0, 2)) == 0:
            if draw(st.booleans()):
                run.append(Message(at, at_ms, {"smoke": True}, {}, "smoke"))
            else:
                run.append(Message(at, at_ms, {}, {1: {}}, "runaway", 1))
            continue
        own: dict[str, Value] = {"smoke": draw(st.booleans()), "status": "idle"}
        parts: dict[int, dict[str, Value]] = {
            n: {"temp_c": draw(st.sampled_from(heats)), "charger_on": True} for n in range(1, slots + 1)
        }
        run.append(Message(at, at_ms, own, parts))
    return run


RUNS = st.one_of(
    st.tuples(st.just(DOOR), door_runs()),
    st.tuples(st.just(CABINET), cabinet_runs()),
)


def settle(hub: Hub, seq: int, at_ms: int) -> None:
    """One more full report outside every hysteresis band, then the longest `for`."""
    if hub.device == DOOR:
        quiet = Message(seq, at_ms, {"leaf": "closed", "bolt": "locked", "mode": "normal", "forced": False})
    else:
        parts = {n: {"temp_c": 25.0, "charger_on": True} for n in (1, 2)}
        quiet = Message(seq, at_ms, {"smoke": False, "status": "idle"}, parts)
    hub.take(quiet, at_ms)
    hub.wait_until(at_ms + 2 * MINUTE + 30 * SECOND)


def as_sent(device: DeviceId, run: list[Message]) -> Hub:
    """Every message at once when it was sent, with all deadlines between."""
    hub = Hub(device)
    for message in run:
        hub.wait_until(message.at_ms)
        hub.take(message, message.at_ms)
    return hub


def metrics(hub: Hub) -> dict[int, dict[str, tuple[Value, object]]]:
    return {
        part: {name: (facts.values[name], mark) for name, mark in facts.marks.items()}
        for part, facts in hub.state.parts.items()
    }


@given(RUNS, st.data())
def test_any_order_gives_the_same_facts_and_in_the_end_the_same_alerts(
    told: tuple[DeviceId, list[Message]], data: st.DataObject
) -> None:
    device, run = told
    in_order = as_sent(device, run)
    mixed = Hub(device)
    now_ms = run[-1].at_ms + SECOND
    for message in data.draw(st.permutations(run)):
        # Deadlines come in between, or all messages come in one batch.
        now_ms += data.draw(st.sampled_from([0, 100, 4 * SECOND]))
        mixed.wait_until(now_ms)
        mixed.take(message, now_ms)
    assert metrics(mixed) == metrics(in_order)
    for message in run:
        if message.type in SAFETY_CODES:
            assert (message.part, SAFETY_CODES[message.type]) in mixed.open
    end_ms = run[-1].at_ms + APART_MS
    settle(in_order, len(run), end_ms)
    settle(mixed, len(run), max(end_ms, now_ms))
    # A silence is about when something was heard, and that differs here.
    assert {key for key in mixed.open if key[1] not in HUSHED} == {
        key for key in in_order.open if key[1] not in HUSHED
    }
    assert all(alert.latch for alert in mixed.open.values())


@given(RUNS, st.data())
def test_what_comes_twice_changes_nothing(told: tuple[DeviceId, list[Message]], data: st.DataObject) -> None:
    device, run = told
    once, twice = Hub(device), Hub(device)
    for at, message in enumerate(run):
        for hub in (once, twice):
            hub.wait_until(message.at_ms)
            hub.take(message, message.at_ms)
        again = data.draw(st.sampled_from(run[: at + 1]))
        assert twice.take(again, message.at_ms) == []
    assert twice.state.to_json() == once.state.to_json()
    assert [*twice.opened, *twice.asked, *twice.resolved] == [*once.opened, *once.asked, *once.resolved]


@given(RUNS)
def test_even_a_message_that_slips_through_twice_in_a_row_opens_and_asks_nothing_more(
    told: tuple[DeviceId, list[Message]],
) -> None:
    device, run = told
    hub = Hub(device)
    for message in run:
        hub.wait_until(message.at_ms)
        hub.take(message, message.at_ms)
        assert hub.take_again(message, message.at_ms) == []


@given(RUNS, st.lists(st.sampled_from(["report", "reset", "wait"]), max_size=12), st.data())
def test_nobody_is_locked_in(
    told: tuple[DeviceId, list[Message]], moves: list[str], data: st.DataObject
) -> None:
    """No rule ever locks; what was released stays released; and danger opens its alert in any order."""
    device, run = told
    hub = Hub(device)
    released = False
    messages = iter(data.draw(st.permutations(run)))
    now_ms = run[-1].at_ms
    for move in moves:
        now_ms += data.draw(st.sampled_from([1, 10, 70])) * SECOND
        if move == "wait":
            effects = hub.wait_until(now_ms)
        elif move == "reset" and hub.open:
            part, code = data.draw(st.sampled_from(sorted(hub.open)))
            hub.now_ms = max(hub.now_ms, now_ms)
            effects = hub.reset(code, part)
            released = released and any(alert.refuse_entry for alert in hub.open.values())
        else:
            message = next(messages, None)
            if message is None:
                break
            effects = hub.take(message, max(hub.now_ms, now_ms))
        for effect in effects:
            if isinstance(effect, Ask):
                assert effect.command not in NEVER_BY_RULE
                released = released or effect.command == "release"
            if isinstance(effect, ResolveAlert) and effect.reason != "reset":
                assert effect.code not in SAFETY_CODES.values(), "danger ends only by a person's word"
        if released:
            assert any(alert.refuse_entry for alert in hub.open.values())


@given(st.integers(0, 24 * HOUR), st.integers(1, 30), st.sampled_from(sorted(SAFETY_CODES)))
def test_a_safety_event_up_to_a_day_old_opens_its_alert_and_acts_only_if_nothing_newer_denies_it(
    late_ms: int, newer_s: int, type_: str
) -> None:
    device = DOOR if type_ == "forced" else CABINET
    kind = kinds()[device.kind]
    part = 1 if type_ == "runaway" else 0
    sets = dict(kind.events[type_].sets)
    event = Message(1, T0, {} if part else sets, {1: sets} if part else {}, type_, part)
    calm = {"forced": False} if device == DOOR else {"smoke": False}
    newer = Message(
        2, T0 + newer_s * SECOND, calm, {1: {"temp_c": 25.0, "rise_c_per_min": 0.0}} if part else {}
    )
    alone, denied = Hub(device), Hub(device)
    alone.take(event, T0 + late_ms)
    denied.take(newer, T0 + late_ms)
    denied.take(replace(event, seq=1), T0 + late_ms)
    code = SAFETY_CODES[type_]
    for hub in (alone, denied):
        assert hub.open[part, code].happened_ms == T0
        assert hub.open[part, code].learned_ms == T0 + late_ms
    assert alone.open[part, code].refuse_entry is (type_ != "forced")
    assert bool(alone.asked) is (type_ != "forced")
    assert not denied.open[part, code].refuse_entry
    assert denied.asked == []


@pytest.mark.parametrize(
    "kind, command", [(kind.name, command) for kind in kinds().values() for command in kind.commands]
)
def test_no_rulebook_can_lock_or_let_in(kind: str, command: str) -> None:
    text = f"""
rules:
  - code: any_rule
    kind: {kind}
    when: clock_fault
    severity: emergency
    safety: true
    actions: [{{command: {command}, args: {{}}}}]
    texts: {{zh: "【紧急】{{station}}：测试。", en: "[Emergency] {{station}}: test."}}
"""
    known = kinds()[kind].commands[command]
    if command in NEVER_BY_RULE or known.holds is None:
        with pytest.raises(BadRulebook, match="is for a person to give"):
            load_rulebook(text, version=1)
    elif known.args:
        with pytest.raises(BadRulebook, match="is missing"):
            load_rulebook(text, version=1)
    else:
        assert load_rulebook(text, version=1).rules[0].actions[0].command == command


def test_a_late_event_that_could_not_act_acts_as_soon_as_it_is_true_again() -> None:
    hub = Hub(CABINET)
    hub.take(Message(5, T0 + MINUTE, {"smoke": False}), T0 + MINUTE)
    hub.take(Message(4, T0, {"smoke": True}, {}, "smoke"), T0 + MINUTE)
    assert not hub.open[0, "cabinet_smoke"].refuse_entry
    assert hub.asked == []
    effects = hub.take(Message(6, T0 + 2 * MINUTE, {"smoke": True}), T0 + 2 * MINUTE)
    again = [one for one in effects if isinstance(one, OpenAlert)]
    assert [one.refuse_entry for one in again] == [True]
    assert [one.command for one in hub.asked] == ["cut_power", "release"]
