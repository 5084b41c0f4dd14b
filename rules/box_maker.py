"""Finds the safe box round a report: for each alternative of each rule a comparison that stays false."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from devices.derived import Derived
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts, Value
from rules.comparisons import alternatives_of, alternatives_of_not
from rules.conditions import Condition
from rules.proof import Claim, Names, Proof, claim
from rules.reach import Place
from rules.rule import Rule
from rules.safe_box import Limits, SafeBox
from rules.standing import Standing
from rules.told_bounds import Bounds, is_bounded, is_steady


class BoxMaker:
    """The rules of some rulebooks over one kind (None: over the whole station), for many reports."""

    def __init__(self, kind: Kind | None, rules: Iterable[Rule]) -> None:
        self._claims: list[Claim] = []
        self._hopeless = False
        self._metrics = frozenset(kind.metrics) if kind else frozenset()
        self._part_metrics = frozenset(kind.part_metrics) if kind else frozenset()
        self._exports = kind.exports if kind else ()
        self._derived = {one.name: one for one in kind.derived} if kind else {}
        self._inner = {one.name: one for one in kind.parts.derived} if kind and kind.parts else {}
        self._truths = {one.name for one in kind.metrics.values() if one.type == "bool"} if kind else set()
        self._names = Names(
            self._metrics,
            {one.name: one.source for one in self._derived.values()},
            self._part_metrics,
            {one.name: one.source for one in self._inner.values()},
        )
        self._made: dict[tuple[bool, str, bool], Claim | None] = {}
        seen: set[tuple[bool, str]] = set()
        for rule in rules:
            if rule.when is None or (rule.in_part, rule.when.source) in seen:
                continue
            seen.add((rule.in_part, rule.when.source))
            made = self._claim(rule.in_part, rule.when, is_true=False)
            if made is None:
                self._hopeless = True
            else:
                self._claims.append(made)

    def box(
        self,
        state: DeviceState,
        at_ms: int,
        fields: Mapping[str, Value],
        parts: Mapping[int, Mapping[str, Value]],
        standing: Iterable[Standing] = (),
        bounds: Bounds | None = None,
    ) -> SafeBox | None:
        """A box round a report that has just been folded in; None when there is none. `standing` is what
        rules have under way: that stays as it is, too. So does what is told of the station, as far as
        `bounds` say: without them, all of it."""
        if self._hopeless or len(parts) + 1 != len(state.parts) or state.clock_fault:
            return None
        places = {SELF: _place(state.own, fields, self._derived, self._metrics)}
        for n, inner in parts.items():
            facts = state.parts.get(n)
            if facts is None:
                return None
            places[n] = _place(facts, inner, self._inner, self._part_metrics)
        box = SafeBox({n: place.limits for n, place in places.items()}, at_ms)
        excused: set[tuple[int, str]] = set()
        for one in standing:
            box.until_ms = min(box.until_ms, one.until_ms)
            for condition, is_true in one.verdicts:
                made = self._claim(one.part != SELF, condition, is_true=is_true)
                if made is None or one.part not in places:
                    return None
                if not Proof(box, places[one.part], places[SELF]).holds(made):
                    return None
                if is_true:
                    excused.add((one.part, condition.source))
        for n, place in places.items():
            proof = Proof(box, place, places[SELF])
            for claimed in self._claims:
                if claimed.in_part != (n != SELF) or (n, claimed.source) in excused:
                    continue
                if not proof.holds(claimed):
                    return None
        for export in self._exports:
            if bounds is not None and export.name not in bounds:
                box.restless = True
                continue
            bound = bounds[export.name] if bounds is not None else None
            if bound is not None and is_bounded(export, bound, places[SELF], box, self._truths):
                box.restless = True
                continue
            if export.sources is None or not is_steady(export, places, box):
                return None
        if not all(place.limits.hold() for place in places.values()):
            return None
        return box if box.until_ms > at_ms else None

    def _claim(self, in_part: bool, condition: Condition, *, is_true: bool) -> Claim | None:
        """That the condition is as it is, which `is_true` says."""
        key = (in_part, condition.source, is_true)
        if key not in self._made:
            found = (alternatives_of_not if is_true else alternatives_of)(condition.source)
            self._made[key] = claim(in_part, condition.source, condition.reads, found, self._names)
        return self._made[key]


def _place(
    facts: Facts, known: Mapping[str, Value], derived: Mapping[str, Derived], metrics: frozenset[str]
) -> Place:
    values = facts.values
    old = frozenset(name for name in values.keys() - known.keys() if values[name] is not None)
    return Place(facts, Limits(known=known), derived, metrics, old - derived.keys())
