"""Where else to go: the nearest other station that is open, with what is known of its seats."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from rules.availability import Availability, Seats

FARTHEST_M: Final = 20_000.0
"""Farther than that nobody goes for a rest."""
_M_PER_DEGREE: Final = 111_195.0
_USABLE: Final = frozenset({"open", "plan"})


@dataclass(frozen=True, slots=True)
class Place:
    """A station on the map; degrees, WGS-84."""

    id: str
    lat: float
    lon: float
    availability: Availability


@dataclass(frozen=True, slots=True)
class Nearby:
    """Another station, how far away in a straight line, and its free seats as everyone may know them."""

    id: str
    distance_m: int
    seats: Seats


def nearest_open(here: str, lat: float, lon: float, places: Iterable[Place], now_ms: int) -> Nearby | None:
    """The nearest station other than `here` that is open now, by sensors or by its timetable; None if none.

    One that closes soon is none to go to, and a claim that is too old promises nothing.
    """
    best: Place | None = None
    best_m = FARTHEST_M
    for place in places:
        if abs(place.lat - lat) * _M_PER_DEGREE > best_m or place.id == here:
            continue
        away_m = distance_m(lat, lon, place.lat, place.lon)
        if away_m <= best_m and is_usable(place.availability, now_ms):
            best, best_m = place, away_m
    if best is None:
        return None
    return Nearby(best.id, round(best_m), _seats(best.availability.public().seats, now_ms))


def is_usable(told: Availability, now_ms: int) -> bool:
    """True while it is said to be open and not about to close."""
    return told.state in _USABLE and (told.valid_until_ms is None or now_ms <= told.valid_until_ms)


def distance_m(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Metres between two points that are not far apart."""
    east = (other_lon - lon) * math.cos(math.radians(lat))
    return math.hypot(other_lat - lat, east) * _M_PER_DEGREE


def _seats(seats: Seats, now_ms: int) -> Seats:
    if seats.valid_until_ms is not None and now_ms > seats.valid_until_ms:
        return replace(seats, level="unknown", free=None)
    return seats
