"""How worn things are: batteries, filters and locks, from what they last said and how they were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from domain.facts import Value

Health = Literal["good", "weak", "worn", "unknown"]

WEAK_SOH_PCT: Final = 80.0
WORN_SOH_PCT: Final = 70.0
MOST_CYCLES: Final = 1000
FILTER_SOON_DAYS: Final = 30
_HOURS_A_DAY: Final = 24.0


class FilterLife(NamedTuple):
    """What is left of a filter. `by` says what ends first; `days` is None while neither is known."""

    days: float | None
    by: Literal["litres", "hours"] | None

    @property
    def due(self) -> bool:
        """It must be changed within a month."""
        return self.days is not None and self.days <= FILTER_SOON_DAYS


def battery_health(facts: Mapping[str, Value]) -> Health:
    """Judge a battery by its state of health and its cycles, whichever is worse."""
    soh, cycles = _number(facts.get("soh_pct")), _number(facts.get("cycles"))
    if soh is None and cycles is None:
        return "unknown"
    if soh is not None and soh < WORN_SOH_PCT:
        return "worn"
    if (soh is not None and soh < WEAK_SOH_PCT) or (cycles is not None and cycles > MOST_CYCLES):
        return "weak"
    return "good"


def filter_life(
    litres_left: float | None,
    litres_a_day: float | None,
    hours_left: float | None,
    hours_a_day: float = _HOURS_A_DAY,
) -> FilterLife:
    """Days until a filter must be changed: by litres or by hours, whichever comes first.

    A filter through which nothing flows ends by its hours; what is used up already has 0 days left.
    """
    days: dict[Literal["litres", "hours"], float] = {}
    if litres_left is not None and litres_left <= 0:
        days["litres"] = 0.0
    elif litres_left is not None and litres_a_day is not None and litres_a_day > 0:
        days["litres"] = litres_left / litres_a_day
    if hours_left is not None and hours_a_day > 0:
        days["hours"] = max(0.0, hours_left) / hours_a_day
    if not days:
        return FilterLife(None, None)
    first = min(days, key=lambda by: days[by])
    return FilterLife(days[first], first)


def jam_rate(openings: int, jams: int) -> float | None:
    """Jams of all movements of a bolt; None when it never moved."""
    moved = openings + jams
    return jams / moved if moved else None


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
