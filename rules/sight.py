"""What a rule can see of a device at a moment: only facts that are fresh enough to count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Mark, Value
from rules.guards import Calm, Guards, calm_of, cannot_hold, guards_of
from rules.rule import CLOCK_FAULT, STATION, Rule

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

DAY_MS = 24 * 3_600_000


class Sight(NamedTuple):
    """`at_ms` is the age of the newest fact, `stale` that something was left out for its age."""

    facts: dict[str, Value]
    at_ms: int
    stale: bool


class _Look(NamedTuple):
    name: str
    mark: str
    fresh_ms: int
    own: bool


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule, and where the facts that it reads are found in a device of one kind."""

    rule: Rule
    looks: tuple[_Look, ...]
    guards: Guards = ()
    gives_way: bool = False
    """Another rule of the same kind may keep it back: that one is judged first."""
    calm: Calm | None = None

    def is_well(self, state: DeviceState, part: int) -> bool:
        """True when a few comparisons show that `when` is not true, whatever the rest says."""
        own = state.parts[SELF].values
        inner = state.parts.get(part) if part else None
        return cannot_hold(self.guards, own if inner is None else inner.values, own)

    def look(
        self,
        state: DeviceState,
        part: int,
        now_ms: int,
        *,
        late: bool = False,
        changed: Collection[str] = (),
        newer_than_ms: int = -1,
    ) -> Sight:
        """What is known now.

        With `late`, what was known when the facts that `changed` were true (or the newest, if none did):
        a report that comes late must not be judged together with facts of another hour.
        """
        known: dict[str, Value] = {}
        ages: list[tuple[str, int, int]] = []
        newest, narrowest, anchor, stale = -1, now_ms, -1, False
        own = state.parts[SELF]
        inner = state.parts.get(part) if part else own
        for name, mark_name, fresh_ms, from_own in self.looks:
            facts = own if from_own else inner
            if facts is None:
                continue
            value = facts.values.get(name) if name != CLOCK_FAULT else state.clock_fault
            if value is None:
                continue
            if fresh_ms:
                mark = facts.mark(mark_name)
                if mark is None:
                    continue
                at_ms = mark.at_ms
                if at_ms <= newer_than_ms:
                    stale = True
                    continue
                newest = max(newest, at_ms)
                if name in changed:
                    anchor = max(anchor, at_ms)
                narrowest = min(narrowest, at_ms + fresh_ms)
                ages.append((name, at_ms, fresh_ms))
            known[name] = value
        if not ages:
            return Sight(known, now_ms, stale)
        reference = now_ms
        if late:
            told_ms = min(anchor if anchor >= 0 else newest, now_ms)
            reference = told_ms if told_ms > now_ms - DAY_MS else now_ms
        if narrowest < reference or newest > reference:
            newest = -1
            for name, at_ms, fresh_ms in ages:
                if at_ms + fresh_ms < reference or at_ms - fresh_ms > reference:
                    stale = True
                    del known[name]
                else:
                    newest = max(newest, at_ms)
        return Sight(known, min(newest, now_ms) if newest >= 0 else now_ms, stale)

    def marks(self, state: DeviceState, part: int, names: Collection[str]) -> dict[str, Mark | None]:
        """Where values come from, as far as the device's own facts tell."""
        found: dict[str, Mark | None] = {}
        for name, mark_name, _, from_own in self.looks:
            facts = state.parts.get(SELF if from_own else part)
            if name in names and facts is not None:
                found[name] = facts.mark(mark_name)
        return found

    def newer(self, state: DeviceState, part: int, than_ms: int, now_ms: int) -> Sight:
        """What was said after a moment, however long ago that is."""
        facts: dict[str, Value] = {}
        newest = than_ms
        own = state.parts[SELF]
        inner = state.parts.get(part) if part else own
        for name, mark_name, fresh_ms, from_own in self.looks:
            source = own if from_own else inner
            mark = source.mark(mark_name) if source is not None and fresh_ms else None
            if source is None or mark is None or mark.at_ms <= than_ms:
                continue
            value = source.values.get(name)
            if value is not None:
                facts[name] = value
                newest = max(newest, mark.at_ms)
        return Sight(facts, min(newest, now_ms), False)


@dataclass(slots=True)
class Plan:
    """The rules of one kind, by what makes it worth looking at them."""

    by_code: dict[str, BoundRule] = field(default_factory=dict)
    own: dict[str, tuple[BoundRule, ...]] = field(default_factory=dict)
    inner: dict[str, tuple[BoundRule, ...]] = field(default_factory=dict)
    inner_by_own: dict[str, tuple[BoundRule, ...]] = field(default_factory=dict)
    events: dict[str, tuple[BoundRule, ...]] = field(default_factory=dict)
    silent: tuple[BoundRule, ...] = ()
    title_zh: str = "驿站网关"
    title_en: str = "Station box"
    part_name: str = "part"
    variables: frozenset[str] = frozenset()


def plan_for(kind: str, rulebook: Rulebook) -> Plan | None:
    """The plan of a kind; None when no rule watches it."""
    rules = rulebook.for_kind(kind)
    if not rules:
        return None
    known = rulebook.kinds.get(kind)
    plan = Plan()
    if known is not None:
        plan.title_zh, plan.title_en = known.title_zh, known.title_en
        plan.part_name = known.parts.name if known.parts is not None else plan.part_name
        plan.variables = frozenset(known.variables(True))
    codes = {rule.code for rule in rules}
    for rule in rules:
        looks = tuple(_find(name, rule, known) for name in sorted(rule.reads))
        guards = guards_of(rule.when.source) if rule.when is not None else ()
        bound = BoundRule(rule, looks, guards, not codes.isdisjoint(rule.inhibited_by), calm_of(guards))
        plan.by_code[rule.code] = bound
        for look in bound.looks:
            if not rule.in_part:
                index = plan.own
            else:
                index = plan.inner_by_own if look.own else plan.inner
            index[look.name] = (*index.get(look.name, ()), bound)
        if rule.event is not None:
            plan.events[rule.event] = (*plan.events.get(rule.event, ()), bound)
        if rule.is_silence:
            plan.silent = (*plan.silent, bound)
    return plan


def _find(name: str, rule: Rule, kind: Kind | None) -> _Look:
    # Freshness 0: the caller vouches for it (facts of a station come with their own end).
    if name == CLOCK_FAULT or rule.kind == STATION or kind is None:
        return _Look(name, name, 0, True)
    sources: Mapping[str, str] = {}
    in_part = rule.in_part and kind.parts is not None
    if in_part and kind.parts is not None:
        sources = {one.name: one.source for one in kind.parts.derived}
        in_part = name in kind.part_metrics or name in sources
    if not in_part:
        sources = {one.name: one.source for one in kind.derived}
    return _Look(name, sources.get(name, name), kind.fresh_s(name, in_part) * 1000, not in_part)
