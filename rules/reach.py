"""From where to where a fact may go while reports stay within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from devices.derived import Derived
from domain.facts import Facts, Value
from rules.safe_box import Limits


class Reach(NamedTuple):
    """From where to where a value may lie while its source stays; `up` and `down` say whether the source
    may go on in that direction as far as there is room. `minutes` of it pass by themselves."""

    low: float
    high: float
    limits: Limits | None = None
    name: str = ""
    free: bool = False
    minutes: bool = False
    held: float | None = None
    """The least value while the source stays as it is."""


class Place(NamedTuple):
    """A device or part: where its facts, its limits and its derived facts are."""

    facts: Facts
    limits: Limits
    derived: Mapping[str, Derived]
    metrics: frozenset[str]
    old: frozenset[str] = frozenset()
    """What is known, but not from the last report."""


def derived_reach(place: Place, derived: Derived, value: Value) -> Reach | None:
    """The reach of a derived fact whose value is known; None when nobody can say."""
    moves = getattr(derived, "moves", "freely")
    source = place.facts.values.get(derived.source)
    if moves == "within":
        known = [one[1] for one in place.facts.memory.get(derived.name) or () if one[1] is not None]
        if isinstance(source, (int, float)) and not isinstance(source, bool):
            known.append(source)
            return Reach(min(known), max(known), place.limits, derived.source, free=True)
        return None
    if not isinstance(value, (int, float)) or derived.source not in place.limits.known:
        return None
    if moves == "rises":
        return Reach(0.0, value, place.limits, derived.source, minutes=True, held=value)
    return Reach(0.0, value, place.limits, derived.source) if moves == "falls" else None
