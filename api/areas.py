"""Whether a station lies in an area: the question of `storage.areas.within`, for a row that is at hand."""

from __future__ import annotations

from domain.ids import is_station_id


def is_within(area: str, division: str, station: str) -> bool:
    """`area` is the beginning of a division code, one station's id, or empty for everything."""
    return station == area if is_station_id(area) else division.startswith(area)


def narrowed(allowed: str, asked: str) -> str | None:
    """The smaller of two areas where one lies in the other; None when they have nothing in common."""
    if asked.startswith(allowed):
        return asked
    return allowed if allowed.startswith(asked) else None
