"""The life of one alert: pending, firing, clearing, resolved, as one device's facts decide at one moment.

What is under way is kept in the device's `watch`: JSON-able entries under `part/code`, replaced and never
altered. `s` is the stage, `since` when it began to be true, `due` when to look again, `r` that any new
report makes it worth looking again, `on` whether the condition holds, `acted` whether its actions followed,
`last` the newest event that told it again, `keep` that no change of the rulebook ends it, `by` the alerts
that held it back, `old` since when it waits for newer word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from devices.state import SELF, DeviceState
from domain.facts import Value
from domain.ids import DeviceId
from rules.conditions import Condition, ConditionFailed
from rules.effects import Ask, Basis, Effect, Reason, ResolveAlert
from rules.giving_way import end_lesser, holders
from rules.hush import judge_hush
from rules.opened import opened
from rules.rule import Rule
from rules.sight import BoundRule, Plan

RETRY_MS = 30_000
"""When nothing can be decided at a deadline (facts too old, inhibited), look again after this."""
CATCH_UP_MS = 5_000
"""While old messages still come in, deadlines of everything but safety wait this long at a time."""
OLD_MS = 60_000
"""What a report tells that is older may be over by now: newer word is on its way behind it."""
NEWER_WORD_MS, LONGEST_WAIT_MS = 30_000, 2 * 60_000
"""So long after the last such report nothing newer seems to come; and so long it is waited for at all."""

PENDING: Final = "pending"
FIRING: Final = "firing"
CLEARING: Final = "clearing"
UNSURE: Final = "unsure"
WAITING: Final = "waiting"
OPEN: Final = (FIRING, CLEARING)

Entry = dict[str, Any]


def every_word_counts(watch: Mapping[str, Entry]) -> bool:
    """True while the next word may end or settle something under way, even if it says nothing new: a silence,
    or what could not be decided. Anything else waits for a fact to change, or for its deadline.
    """
    calm = (PENDING, *OPEN)
    return any("r" in entry or "seen" in entry or entry["s"] not in calm for entry in watch.values())


@dataclass(slots=True)
class Office:
    """What all moments share: the version, the names of stations, and a count of failed conditions."""

    version: int
    station_names: Callable[[str], tuple[str, str]]
    errors: Counter[str] = field(default_factory=Counter)

    def holds(self, code: str, condition: Condition, facts: Mapping[str, Value]) -> bool | None:
        """The verdict; an expression that fails counts as unknown."""
        try:
            return condition.holds(facts)
        except ConditionFailed:
            self.errors[code] += 1
            return None


@dataclass(slots=True)
class Moment:
    """One device, now. `effects` collects what follows."""

    office: Office
    plan: Plan
    device: DeviceId
    state: DeviceState
    now_ms: int
    open_codes: Collection[str] = frozenset()
    effects: list[Effect] = field(default_factory=list)

    def entry(self, part: int, code: str) -> Entry | None:
        """What is under way for a rule."""
        found: Entry | None = self.state.watch.get(f"{part}/{code}")
        return found

    def is_open(self, part: int, code: str) -> bool:
        """True while the alert of a rule is open."""
        entry = self.state.watch.get(f"{part}/{code}")
        return entry is not None and entry["s"] in OPEN

    def judge(
        self,
        bound: BoundRule,
        part: int,
        *,
        changed: Collection[str] = (),
        late: bool = True,
        at_deadline: bool = False,
        floor_ms: int = 0,
    ) -> None:
        """Look at a rule again. `at_deadline`: time itself may prove that a condition held long enough."""
        entry = self.entry(part, bound.rule.code)
        caught_up = floor_ms < self.now_ms
        if entry is not None and entry["s"] in OPEN:
            self._judge_open(bound, part, entry)
        elif bound.rule.silent_ms is not None and bound.rule.when is not None:
            judge_hush(self, bound, part, entry, at_deadline, floor_ms)
        elif bound.rule.when is not None:
            if at_deadline and not caught_up and entry is not None and not bound.rule.safety:
                self.put(part, bound, {**entry, "due": self.now_ms + CATCH_UP_MS})
            else:
                self._judge_quiet(bound, part, entry, changed, late, at_deadline)

    def _judge_quiet(
        self,
        bound: BoundRule,
        part: int,
        entry: Entry | None,
        changed: Collection[str],
        late: bool,
        at_deadline: bool,
    ) -> None:
        rule, now_ms = bound.rule, self.now_ms
        assert rule.when is not None
        # A safety rule looks at late facts too, as they were together when the newest of them was true.
        sight = bound.look(self.state, part, now_ms, late=late and rule.safety, changed=changed)
        verdict = self.office.holds(rule.code, rule.when, sight.facts)
        since_ms = entry["since"] if entry is not None and entry["s"] == PENDING else None
        if verdict is None:
            if entry is not None and since_ms is not None:
                due_ms = since_ms + rule.for_ms
                due_ms = due_ms if due_ms > now_ms else now_ms + RETRY_MS
                self.put(part, bound, {**entry, "r": 1, "due": due_ms})
            elif sight.stale:
                self.put(part, bound, {"s": UNSURE, "r": 1})
        elif not verdict:
            if entry is not None:
                del self.state.watch[f"{part}/{rule.code}"]
            if since_ms is not None and rule.safety and sight.at_ms - since_ms >= rule.for_ms:
                # By the device's own time it did hold long enough, though we learn of both ends late.
                self.fire(bound, part, since_ms, sight.facts, act=False, cause="late")
        else:
            begun_ms = min(sight.at_ms, now_ms) if since_ms is None else since_ms
            held_ms = (now_ms if at_deadline else sight.at_ms) - begun_ms
            old_ms = now_ms if entry is None else entry.get("old", now_ms)
            if late and not at_deadline and self._may_be_over(rule) and now_ms - old_ms < LONGEST_WAIT_MS:
                due_ms = max(begun_ms + rule.for_ms, now_ms + NEWER_WORD_MS)
                self.put(part, bound, {"s": PENDING, "since": begun_ms, "due": due_ms, "r": 1, "old": old_ms})
            elif rule.for_ms and (since_ms is None or held_ms < rule.for_ms):
                self.put(part, bound, {"s": PENDING, "since": begun_ms, "due": begun_ms + rule.for_ms})
            elif by := holders(self, rule, part):
                self.put(part, bound, {"s": PENDING, "since": begun_ms, "due": now_ms + RETRY_MS, "by": by})
            else:
                held_by = tuple(entry.get("by", ())) if entry is not None else ()
                self.fire(bound, part, begun_ms, sight.facts, act=True, on=True, held_by=held_by)

    def _may_be_over(self, rule: Rule) -> bool:
        """True when all that was said is old; safety, and what somebody must look at, counts anyway."""
        if rule.safety or rule.latch:
            return False
        ages = (mark.at_ms for facts in self.state.parts.values() for mark in facts.marks.values())
        return self.now_ms - max(ages, default=self.now_ms) > OLD_MS

    def _judge_open(self, bound: BoundRule, part: int, entry: Entry) -> None:
        rule, now_ms = bound.rule, self.now_ms
        if rule.when is not None:
            sight = bound.look(self.state, part, now_ms)
            on = self.office.holds(rule.code, rule.when, sight.facts)
            if on is not None and on != entry["on"]:
                entry = self.put(part, bound, {**entry, "on": on})
                if on:
                    entry = self.again(bound, part, entry, sight.facts)
        if rule.latch or rule.silent_ms is not None:
            return
        # Only what was true since it fired can end it: late good news is no news.
        sight = bound.look(self.state, part, now_ms, newer_than_ms=entry["since"] - 1)
        over = self._is_over(bound, sight.facts)
        if over is None:
            retry = {"due": now_ms + RETRY_MS} if entry["s"] == CLEARING else {}
            self.put(part, bound, {**entry, "r": 1, **retry})
        elif not over:
            if entry["s"] == CLEARING:
                self.again(bound, part, entry, sight.facts)
            elif "r" in entry:
                self.put(part, bound, _without(entry, "r"))
        elif rule.clear_for_ms and entry["s"] == FIRING:
            over_ms = min(sight.at_ms, now_ms)
            due_ms = over_ms + rule.clear_for_ms
            self.put(part, bound, {**entry, "s": CLEARING, "over": over_ms, "due": due_ms})
        elif not rule.clear_for_ms or now_ms - entry["over"] >= rule.clear_for_ms:
            self.resolve(part, rule.code, "cleared")

    def _is_over(self, bound: BoundRule, facts: Mapping[str, Value]) -> bool | None:
        rule = bound.rule
        if rule.clear is not None:
            return self.office.holds(rule.code, rule.clear, facts)
        if rule.when is None:
            return None
        on = self.office.holds(rule.code, rule.when, facts)
        return None if on is None else not on

    def silence(self, bound: BoundRule, heard_ms: int | None, floor_ms: int) -> None:
        """Fire when the device has said nothing for too long, while its speaker (if another) talked."""
        rule, seen_ms = bound.rule, self.state.seen_ms
        entry = self.entry(SELF, rule.code)
        if seen_ms is None or rule.silent_ms is None or (entry is not None and entry["s"] in OPEN):
            return
        quiet_since = max(seen_ms, floor_ms)
        reference = self.now_ms if heard_ms is None else heard_ms
        inhibited = holders(self, rule, SELF)
        if inhibited or reference - quiet_since < rule.silent_ms:
            if self.now_ms - quiet_since >= rule.silent_ms:
                waiting: Entry = {"s": WAITING, "seen": seen_ms, "due": self.now_ms + RETRY_MS}
                self.put(SELF, bound, {**waiting, "by": inhibited} if inhibited else waiting)
            return
        facts: dict[str, Value] = {"min": (self.now_ms - seen_ms) // 60_000}
        held_by = tuple(entry.get("by", ())) if entry is not None else ()
        fired_ms = quiet_since + rule.silent_ms
        self.fire(bound, SELF, fired_ms, facts, act=True, seen_ms=seen_ms, cause="silent", held_by=held_by)

    def heard(self) -> None:
        """The device spoke: its silence is over."""
        for bound in self.plan.silent:
            entry = self.entry(SELF, bound.rule.code)
            if entry is None or self.state.seen_ms is None or self.state.seen_ms <= entry.get("seen", 0):
                continue
            if entry["s"] in OPEN:
                self.resolve(SELF, bound.rule.code, "cleared")
            else:
                del self.state.watch[f"0/{bound.rule.code}"]

    def fire(
        self,
        bound: BoundRule,
        part: int,
        happened_ms: int,
        facts: Mapping[str, Value],
        *,
        act: bool,
        on: bool = False,
        seen_ms: int | None = None,
        cause: Literal["when", "event", "silent", "late"] = "when",
        held_by: tuple[str, ...] = (),
    ) -> None:
        """Open the alert. Without `act` newer facts deny it: people hear of it, nothing is done."""
        pending = self.entry(part, bound.rule.code)
        pending_ms = pending["since"] if pending is not None and pending["s"] == PENDING else None
        entry: Entry = {"s": FIRING, "since": happened_ms, "on": on, "acted": act}
        if bound.rule.safety and bound.rule.latch:
            entry["keep"] = 1
        if seen_ms is not None:
            entry["seen"] = seen_ms
        elif not on:
            entry["r"] = 1
        self.put(part, bound, entry)
        basis = Basis(cause, pending_ms, bound.marks(self.state, part, facts), held_by)
        self.effects.append(opened(self, bound, part, happened_ms, facts, act=act, basis=basis))
        end_lesser(self, bound.rule, part)
        if act:
            self._ask(bound, part)

    def again(self, bound: BoundRule, part: int, entry: Entry, facts: Mapping[str, Value]) -> Entry:
        """It is true again while its alert is open: a flap, or what a late event could not ask for."""
        if entry["s"] == CLEARING or not entry["acted"]:
            basis = Basis(marks=bound.marks(self.state, part, facts))
            self.effects.append(opened(self, bound, part, entry["since"], facts, act=True, basis=basis))
        self._ask(bound, part)
        kept = _without(entry, "due", "over", "r")
        return self.put(part, bound, {**kept, "s": FIRING, "on": True, "acted": True})

    def resolve(self, part: int, code: str, reason: Reason) -> None:
        """End the alert."""
        del self.state.watch[f"{part}/{code}"]
        self.effects.append(ResolveAlert(self.device, part, code, self.now_ms, reason))

    def put(self, part: int, bound: BoundRule, entry: Entry) -> Entry:
        """Note what is under way for a rule."""
        self.state.watch[f"{part}/{bound.rule.code}"] = entry
        return entry

    def _ask(self, bound: BoundRule, part: int) -> None:
        for action in bound.rule.actions:
            args = dict(action.args)
            if action.part_arg is not None:
                args[action.part_arg] = part
            judged = part if action.part_arg is not None else SELF
            who = action.role or self.device
            self.effects.append(Ask(who, judged, action.command, bound.rule.code, args))


def _without(entry: Entry, *names: str) -> Entry:
    return {name: value for name, value in entry.items() if name not in names}
