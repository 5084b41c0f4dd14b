"""Finds the safe box round a report: for each alternative of each rule a comparison that stays false."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from devices.derived import step_min
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Value
from rules.comparisons import Alternatives, Comparison, Side, alternatives_of, alternatives_of_not
from rules.conditions import Condition
from rules.reach import Place, Reach, derived_reach
from rules.rule import CLOCK_FAULT, Rule
from rules.safe_box import Limits, SafeBox
from rules.standing import Standing
from rules.told_bounds import Bounds, is_bounded, is_steady

_SHARE: Final = 0.49
"""Two values between which there is room may each use a little less than half of it."""


class _Claim(NamedTuple):
    """That none of the alternatives is true."""

    in_part: bool
    source: str
    reads: tuple[str, ...]
    alternatives: Alternatives


class BoxMaker:
    """The rules of some rulebooks over one kind (None: over the whole station), for many reports."""

    def __init__(self, kind: Kind | None, rules: Iterable[Rule]) -> None:
        self._claims: list[_Claim] = []
        self._hopeless = False
        self._metrics = frozenset(kind.metrics) if kind else frozenset()
        self._part_metrics = frozenset(kind.part_metrics) if kind else frozenset()
        self._exports = kind.exports if kind else ()
        self._derived = {one.name: one for one in kind.derived} if kind else {}
        self._inner = {one.name: one for one in kind.parts.derived} if kind and kind.parts else {}
        self._truths = {one.name for one in kind.metrics.values() if one.type == "bool"} if kind else set()
        seen: set[tuple[bool, str]] = set()
        for rule in rules:
            if rule.when is None or (rule.in_part, rule.when.source) in seen:
                continue
            seen.add((rule.in_part, rule.when.source))
            claim = _claim(rule.in_part, rule.when, alternatives_of(rule.when.source))
            if claim is None:
                self._hopeless = True
            else:
                self._claims.append(claim)

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
        places = {SELF: Place(state.own, Limits(known=fields), self._derived, self._metrics)}
        for n, inner in parts.items():
            facts = state.parts.get(n)
            if facts is None:
                return None
            places[n] = Place(facts, Limits(known=inner), self._inner, self._part_metrics)
        box = SafeBox({n: place.limits for n, place in places.items()}, at_ms)
        excused: set[tuple[int, str]] = set()
        for one in standing:
            box.until_ms = min(box.until_ms, one.until_ms)
            for condition, is_true in one.verdicts:
                of = alternatives_of_not if is_true else alternatives_of
                claim = _claim(one.part != SELF, condition, of(condition.source))
                if claim is None or one.part not in places:
                    return None
                if not _Proof(box, places[one.part], places[SELF]).holds(claim):
                    return None
                if is_true:
                    excused.add((one.part, condition.source))
        for claim in self._claims:
            for n, place in places.items():
                if claim.in_part != (n != SELF) or (n, claim.source) in excused:
                    continue
                if not _Proof(box, place, places[SELF]).holds(claim):
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


def _claim(in_part: bool, condition: Condition, alternatives: Alternatives | None) -> _Claim | None:
    if alternatives is None or not all(alternatives):
        return None
    # What seldom changes is the better reason.
    ordered = tuple(tuple(sorted(one, key=_is_number)) for one in alternatives)
    return _Claim(in_part, condition.source, condition.reads, ordered)


class _Proof(NamedTuple):
    """That a condition is not true now, and what must stay as it is for that."""

    box: SafeBox
    place: Place
    own: Place

    def holds(self, claim: _Claim) -> bool:
        """Put into the limits what the proof rests on; False when there is none."""
        for name in claim.reads:
            if name != CLOCK_FAULT and not self._is_said(name):
                return False
        return all(any(self._is_false(one) for one in comparisons) for comparisons in claim.alternatives)

    def _of(self, name: str) -> Place:
        inner = name in self.place.metrics or name in self.place.derived
        return self.place if inner else self.own

    def _is_said(self, name: str) -> bool:
        """It stands in this report, or nobody ever heard of it: it cannot grow old meanwhile."""
        place = self._of(name)
        derived = place.derived.get(name)
        source = name if derived is None else derived.source
        return source in place.limits.known or place.facts.values.get(source) is None

    def _value(self, side: Side) -> Value:
        return side.constant if side.name is None else self._of(side.name).facts.values.get(side.name)

    def _is_false(self, one: Comparison) -> bool:
        for side in (one.left, one.right):
            if side.name == CLOCK_FAULT:
                return one == Comparison(Side(CLOCK_FAULT), "==", Side(None, constant=True))
            if side.name is not None and self._is_unknown(side.name):
                return True
        left, right = self._value(one.left), self._value(one.right)
        if isinstance(left, (bool, str)) or isinstance(right, (bool, str)):
            return (
                one.operator in ("==", "!=") and (left == right) == (one.operator == "!=") and self._fix(one)
            )
        low, high = self._reach(one.left), self._reach(one.right)
        if low is None or high is None:
            return False
        if one.operator in ("<", "<="):
            return self._apart((one.right, high), (one.left, low), strict=one.operator == "<")
        if one.operator in (">", ">="):
            return self._apart((one.left, low), (one.right, high), strict=one.operator == ">")
        if one.operator == "==":
            return self._apart((one.left, low), (one.right, high), strict=False) or self._apart(
                (one.right, high), (one.left, low), strict=False
            )
        return left == right and self._fix(one)

    def _is_unknown(self, name: str) -> bool:
        """Nobody knows it, and that stays so."""
        place = self._of(name)
        if place.facts.values.get(name) is not None:
            return False
        derived = place.derived.get(name)
        if derived is not None:
            source = derived.source
            return source not in place.limits.known and place.facts.values.get(source) is None
        if name in place.limits.known:
            place.limits.fixed[name] = None
        return True

    def _fix(self, one: Comparison) -> bool:
        names = [side.name for side in (one.left, one.right) if side.name is not None]
        if any(name in self._of(name).derived for name in names):
            return False
        for name in names:
            place = self._of(name)
            place.limits.fixed[name] = place.facts.values.get(name)
        return True

    def _reach(self, side: Side) -> Reach | None:
        value = self._value(side)
        if side.name is None:
            return Reach(float(value), float(value)) if isinstance(value, (int, float)) else None
        place = self._of(side.name)
        derived = place.derived.get(side.name)
        if derived is None:
            if not isinstance(value, (int, float)):
                return None
            return Reach(value, value, place.limits, side.name, free=True)
        return derived_reach(place, derived, value)

    def _apart(self, greater: tuple[Side, Reach], less: tuple[Side, Reach], *, strict: bool) -> bool:
        """`greater > less` (`>=` when not strict) is false, and stays so within limits that are put down."""
        (up_side, up), (down_side, down) = greater, less
        top, bottom = _scaled(up_side, up.high), _scaled(down_side, down.low)
        room = bottom - top
        if room < 0 and down.limits is not None and down.held is not None and up.limits is None:
            down.limits.fixed[down.name] = down.limits.known[down.name]
            room = _scaled(down_side, down.held) - top
            return room > 0 or (room == 0 and strict)
        if room < 0 or (room == 0 and not strict):
            return False
        if up.minutes:
            if down.limits is not None:
                return False
            left_min = (bottom - up_side.shift) / up_side.factor - up.high - step_min(up.high)
            if left_min <= 0:
                return False
            self.box.until_ms = min(self.box.until_ms, self.box.at_ms + int(left_min) * 60_000)
            return True
        both = up.free and down.free
        for side, reach, sign in ((up_side, up, 1), (down_side, down, -1)):
            if reach.limits is None or (reach.low == 0 and sign < 0 and not reach.free):
                continue
            if not reach.free:
                source = reach.name
                reach.limits.fixed[source] = reach.limits.known[source]
                continue
            plain = not both and side.factor == 1 and side.shift == 0
            more = room * (_SHARE if both else 1.0 if plain else 2 * _SHARE) / side.factor
            end = (reach.high if sign > 0 else reach.low) + sign * more
            if plain:
                end = bottom if sign > 0 else top
                end = end if strict else math.nextafter(end, -sign * math.inf)
            reach.limits.span(reach.name, *((-math.inf, end) if sign > 0 else (end, math.inf)))
        return True


def _is_number(one: Comparison) -> bool:
    constant = one.right.constant if one.right.name is None else one.left.constant
    return not isinstance(constant, (bool, str))


def _scaled(side: Side, value: float) -> float:
    return value * side.factor + side.shift
