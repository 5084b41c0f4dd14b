"""Shows that a condition is not true, and puts down what must stay as it is for that."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from devices.derived import step_min
from domain.facts import Value
from rules.comparisons import Alternatives, Comparison, Side
from rules.reach import Place, Reach, derived_reach
from rules.rule import CLOCK_FAULT
from rules.safe_box import SafeBox

_SHARE: Final = 0.49
"""Two values between which there is room may each use a little less than half of it."""
_NUMBERS: Final = (float, int)


class Names(NamedTuple):
    """What is measured of a device and of its parts; of what looks back, by name, the source."""

    own: Collection[str]
    own_derived: Mapping[str, str]
    inner: Collection[str]
    inner_derived: Mapping[str, str]

    def is_inner(self, name: str) -> bool:
        """It stands in the part, where there is one."""
        return name in self.inner or name in self.inner_derived


class _Within(NamedTuple):
    """A comparison of a measured number with a constant: false from `low` to `high`."""

    inner: bool
    name: str
    low: float
    high: float


class _Same(NamedTuple):
    """A comparison of what is measured with a word or truth: false while it is that, or is not."""

    inner: bool
    name: str
    constant: Value
    wanted: bool


class Claim(NamedTuple):
    """That none of the alternatives is true. `inner` and `own` are what is measured for it, of the part and
    of the device."""

    in_part: bool
    source: str
    inner: frozenset[str]
    own: frozenset[str]
    alternatives: tuple[tuple[_Within | _Same | Comparison, ...], ...]


def claim(
    in_part: bool, source: str, reads: Collection[str], found: Alternatives | None, names: Names
) -> Claim | None:
    """Make it ready for many proofs; None when there can be none."""
    if found is None or not all(found):
        return None
    # What seldom changes is the better reason.
    ordered = (sorted(one, key=_is_number) for one in found)
    inner, own = set(), set()
    for name in reads:
        if in_part and names.is_inner(name):
            inner.add(names.inner_derived.get(name, name))
        elif name != CLOCK_FAULT:
            own.add(names.own_derived.get(name, name))
    alternatives = tuple(
        tuple(_simple(one, in_part, names) for one in comparisons) for comparisons in ordered
    )
    return Claim(in_part, source, frozenset(inner), frozenset(own), alternatives)


def _simple(one: Comparison, in_part: bool, names: Names) -> _Within | _Same | Comparison:
    """A comparison that needs but one look, where it is such a one."""
    name, factor, shift, _ = one.left
    constant = one.right.constant
    if name is None or name == CLOCK_FAULT or one.right.name is not None or (factor, shift) != (1.0, 0.0):
        return one
    inner = in_part and names.is_inner(name)
    if name in (names.inner_derived if inner else names.own_derived):
        return one
    if isinstance(constant, (bool, str)):
        return _Same(inner, name, constant, one.operator == "!=") if one.operator in ("==", "!=") else one
    if not isinstance(constant, _NUMBERS):
        return one
    match one.operator:
        case "<":
            return _Within(inner, name, constant, math.inf)
        case "<=":
            return _Within(inner, name, math.nextafter(constant, math.inf), math.inf)
        case ">":
            return _Within(inner, name, -math.inf, constant)
        case ">=":
            return _Within(inner, name, -math.inf, math.nextafter(constant, -math.inf))
    return one


class Proof(NamedTuple):
    """That a condition is not true now, and what must stay as it is for that."""

    box: SafeBox
    place: Place
    own: Place

    def holds(self, claim: Claim) -> bool:
        """Put into the limits what the proof rests on; False when there is none."""
        # What stands in no report grows old meanwhile.
        if not (self.own.old.isdisjoint(claim.own) and self.place.old.isdisjoint(claim.inner)):
            return False
        for comparisons in claim.alternatives:
            for one in comparisons:
                if self._is_false(one):
                    break
            else:
                return False
        return True

    def _is_false(self, one: _Within | _Same | Comparison) -> bool:
        if isinstance(one, Comparison):
            return self._is_never(one)
        facts, limits, *_ = self.place if one.inner else self.own
        value = facts.values.get(one.name)
        if value is None:
            if one.name in limits.known:
                limits.fixed[one.name] = None
        elif isinstance(one, _Within):
            if value.__class__ not in _NUMBERS or not one.low <= value <= one.high:
                return False
            limits.span(one.name, one.low, one.high)
        else:
            if (value == one.constant) is not one.wanted:
                return False
            limits.fixed[one.name] = value
        return True

    def _of(self, name: str) -> Place:
        inner = name in self.place.metrics or name in self.place.derived
        return self.place if inner else self.own

    def _value(self, side: Side) -> Value:
        return side.constant if side.name is None else self._of(side.name).facts.values.get(side.name)

    def _is_never(self, one: Comparison) -> bool:
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
