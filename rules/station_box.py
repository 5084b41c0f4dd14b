"""Bounds within which what is known of a station may move while no rule over it can have anything to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts, Value
from rules.box_maker import BoxMaker
from rules.judges import Judge
from rules.premises import RESTS_ON
from rules.rule import Rule
from rules.safe_box import Limits
from rules.standing import Standing, standing_of
from rules.station_facts import DeviceFacts
from rules.told_bounds import Bound, Bounds

EMPTY = "station.surely_empty"
_SOMEBODY = (1.0, math.inf)
_NOBODY = (-math.inf, 0.0)
_MOST_FOUND: Final = 16

_Verdict = tuple[str, bool]
"""A condition, and whether it is true."""


class StationBox:
    """Found when the rules have looked; without limits they look whenever anything moves.

    Limits hold wherever the facts lie within them, so those that were found before are tried first.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = list(rules)
        self._maker = BoxMaker(None, rules)
        self._names = {name for rule in rules for name in rule.reads}
        self._found: dict[frozenset[_Verdict], list[Limits]] = {}
        self.limits: Limits | None = None
        self._told: dict[str, Bound] = {}

    def find(
        self, facts: Mapping[str, Value], views: Iterable[tuple[Judge, DeviceState]], now_ms: int
    ) -> None:
        """Find it anew round what the rules have just looked at."""
        standing = [one for judge, state in views for one in standing_of(judge, state)]
        rests = [one for one in standing if one is not None and one.until_ms > now_ms]
        self.limits = self._find(facts, rests, now_ms) if len(rests) == len(standing) else None
        self._told = {} if self.limits is None else _told(self.limits, facts)

    def _find(self, facts: Mapping[str, Value], rests: list[Standing], now_ms: int) -> Limits | None:
        verdicts = frozenset((one.source, is_true) for rest in rests for one, is_true in rest.verdicts)
        found = self._found.setdefault(verdicts, [])
        for limits in found:
            if limits.hold_for(facts):
                return limits
        known = {name: facts.get(name) for name in self._names}
        box = self._maker.box(DeviceState({SELF: Facts(known)}), now_ms, known, {}, rests, {})
        if box is None:
            return None
        found.insert(0, box.parts[SELF])
        del found[_MOST_FOUND:]
        return found[0]

    def holds(self, facts: Mapping[str, Value]) -> bool:
        """True when no rule has anything to do because these are the facts now."""
        return self.limits is not None and self.limits.hold_for(facts)

    def bounds(self, kind: Kind) -> Bounds | None:
        """Within which what a device of this kind tells may move; None: everything counts."""
        if self.limits is None:
            return None
        told = self._told
        return {one.name: told[one.fact] for one in kind.exports if one.fact in told}


def covers(kept: Bounds | None, wanted: Bounds | None) -> bool:
    """True when what keeps to the first bounds keeps to the second ones, too."""
    if kept is None or wanted is None:
        return kept is None
    for name, bound in wanted.items():
        if name not in kept:
            return False
        known = kept[name]
        if known is not None and (bound is None or not bound[0] <= known[0] <= known[1] <= bound[1]):
            return False
    return True


def moves_out(bounds: Bounds | None, before: DeviceFacts, after: DeviceFacts) -> bool:
    """True when what is told now is not within the bounds, so that rules over the station must look."""
    if bounds is None:
        return True
    for name, bound in bounds.items():
        old, new = before.get(name), after.get(name)
        if (None if old is None else old.value) == (value := None if new is None else new.value):
            continue
        if bound is None or not isinstance(value, (int, float)) or not bound[0] <= value <= bound[1]:
            return True
    return False


def _told(limits: Limits, facts: Mapping[str, Value]) -> dict[str, Bound]:
    """The limits that concern what devices tell, and that which the rest is made of."""
    told: dict[str, Bound] = dict(limits.spans)
    told.update(dict.fromkeys(limits.fixed))
    for name, sources in RESTS_ON.items():
        if name not in told:
            continue
        if name != EMPTY:
            told.update(dict.fromkeys(sources))
        elif facts.get(EMPTY) is True:
            _add(told, "occupancy.count_raw", _NOBODY)
            told.update(dict.fromkeys(("occupancy.presence", "door.leaf")))
        else:
            why, bound = _why_not_empty(facts)
            if why is None:
                told.update(dict.fromkeys(sources))
            elif bound is None:
                told[why] = None
            else:
                _add(told, why, bound)
    return told


def _why_not_empty(facts: Mapping[str, Value]) -> tuple[str | None, Bound]:
    """What is enough to know that somebody may be there."""
    count = facts.get("occupancy.count_raw")
    if isinstance(count, int) and count > 0:
        return "occupancy.count_raw", _SOMEBODY
    if facts.get("occupancy.presence") is True:
        return "occupancy.presence", None
    return ("door.leaf", None) if facts.get("door.leaf") == "open" else (None, None)


def _add(told: dict[str, Bound], name: str, bound: tuple[float, float]) -> None:
    known = told.get(name, bound)
    told[name] = None if known is None else (max(known[0], bound[0]), min(known[1], bound[1]))
