"""Where else to go when a door stays shut: the nearest station that is open, as everyone may know it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from api.board import Board
from api.times import text_of
from domain.gcj02 import to_gcj02
from rules.nearby import Nearby, Place, nearest_open
from storage.stations import Station

ON_FOOT_M: Final = 1_500


def nearby(board: Board, station: Station, now_ms: int) -> Nearby | None:
    """The nearest other station that is open; None when there is none, or nobody knows where this one is."""
    if station.lat is None or station.lon is None:
        return None
    return nearest_open(station.id, station.lat, station.lon, _places(board), now_ms)


def nearby_json(board: Board, found: Nearby | None) -> dict[str, Any] | None:
    """The same as the API tells it."""
    shown = board.get(found.id) if found else None
    if found is None or shown is None:
        return None
    station, seats = shown.station, found.seats
    return {
        "station": station.id,
        "number": station.number,
        "name": station.name,
        "name_en": station.name_en,
        "distance_m": found.distance_m,
        "basis": shown.availability.basis,
        "seats": {
            "level": seats.level,
            "free": seats.free,
            "as_of": text_of(seats.as_of_ms),
            "valid_until": text_of(seats.valid_until_ms),
        },
        "navigation": _navigation(station, found.distance_m),
    }


def _places(board: Board) -> Iterator[Place]:
    # A copy, because the feed's thread may add a station meanwhile.
    for shown in list(board.stations.values()):
        station = shown.station
        if station.lat is not None and station.lon is not None:
            yield Place(station.id, station.lat, station.lon, shown.availability)


def _navigation(station: Station, distance_m: int) -> str:
    lat, lon = to_gcj02(station.lat or 0.0, station.lon or 0.0)
    name = quote(station.name.replace(",", " "), safe="")
    how = "walk" if distance_m <= ON_FOOT_M else "ride"
    return f"https://uri.amap.com/navigation?to={lon:.6f},{lat:.6f},{name}&mode={how}&src=waystation"
