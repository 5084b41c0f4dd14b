"""The figures of stations over a period, added up by county and put in order, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rules.amenities import AMENITIES, Amenity
from rules.health import jam_rate
from rules.utilisation import FEW, Uptime, dwell_min


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One station, or several together. An amenity that none of them has is absent; `visits` is None where
    nothing counts. `filter_days` is of the filter that must be changed first."""

    stations: int = 1
    silent: int = 0
    uptime: Mapping[Amenity, Uptime] = field(default_factory=dict)
    visits: int | None = None
    counting: int = 0
    person_ms: int = 0
    openings: int = 0
    jams: int = 0
    swaps: int = 0
    received: int = 0
    expected: int = 0
    batteries: int = 0
    weak_batteries: int = 0
    filters: int = 0
    filters_due: int = 0
    filter_days: float | None = None
    few: bool = False
    """There were so few visits that their number is nobody's business."""

    @property
    def completeness(self) -> float | None:
        """The share of expected reports that came."""
        return self.received / self.expected if self.expected else None

    @property
    def dwell_min(self) -> float | None:
        """How long people stayed on average, minutes."""
        return dwell_min(self.person_ms, self.visits)

    @property
    def jam_rate(self) -> float | None:
        """Jams of all movements of the bolts."""
        return jam_rate(self.openings, self.jams)

    def served_share(self, amenity: Amenity) -> float | None:
        """Surely up, of the time in which it should have been: not knowing helps nobody at the door."""
        times = self.uptime.get(amenity)
        if times is None or times.total_ms == times.closed_ms:
            return None
        return times.up_ms / (times.total_ms - times.closed_ms)

    def published(self) -> Figures:
        """As anyone may see it: a handful of visits could be one person's, and so could their length."""
        if self.visits is None or self.visits > FEW:
            return self
        return replace(self, visits=None, counting=0, person_ms=0, openings=0, jams=0, swaps=0, few=True)

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        uptime = {
            amenity: self.uptime.get(amenity, Uptime()).plus(other.uptime.get(amenity, Uptime()))
            for amenity in AMENITIES
            if amenity in self.uptime or amenity in other.uptime
        }
        visits = [one for one in (self.visits, other.visits) if one is not None]
        days = [one for one in (self.filter_days, other.filter_days) if one is not None]
        return Figures(
            stations=self.stations + other.stations,
            silent=self.silent + other.silent,
            uptime=uptime,
            visits=sum(visits) if visits else None,
            counting=self.counting + other.counting,
            person_ms=self.person_ms + other.person_ms,
            openings=self.openings + other.openings,
            jams=self.jams + other.jams,
            swaps=self.swaps + other.swaps,
            received=self.received + other.received,
            expected=self.expected + other.expected,
            batteries=self.batteries + other.batteries,
            weak_batteries=self.weak_batteries + other.weak_batteries,
            filters=self.filters + other.filters,
            filters_due=self.filters_due + other.filters_due,
            filter_days=min(days) if days else None,
            few=self.few or other.few,
        )


@dataclass(frozen=True, slots=True)
class StationFigures:
    """One station by its id, name and county (six digits)."""

    id: str
    name: str
    county: str
    figures: Figures


def by_county(stations: Iterable[StationFigures]) -> dict[str, Figures]:
    """The figures of each county, in the order of their codes."""
    found: dict[str, Figures] = {}
    for one in stations:
        known = found.get(one.county)
        found[one.county] = one.figures if known is None else known.plus(one.figures)
    return dict(sorted(found.items()))


def together(figures: Iterable[Figures]) -> Figures:
    """All of them."""
    total = Figures(stations=0)
    for one in figures:
        total = total.plus(one)
    return total


def worst_first(stations: Iterable[StationFigures]) -> list[StationFigures]:
    """Where people stood before a door that was surely open for the least of its time; silent ones first.

    Stations that were never meant to be open come last.
    """

    def place(one: StationFigures) -> tuple[int, float, str]:
        share = one.figures.served_share("open")
        if one.figures.silent:
            return 0, 0.0, one.id
        return (2, 0.0, one.id) if share is None else (1, share, one.id)

    return sorted(stations, key=place)
