"""Who may see which rows: an area is the beginning of a division code, or one station."""

from __future__ import annotations

from sqlalchemy import ColumnElement
from sqlalchemy.sql import true

from domain.ids import is_station_id


def within(area: str, division: ColumnElement[str], station: ColumnElement[str]) -> ColumnElement[bool]:
    """True for rows of `33`, `3310`, `331002` or of `331002-0001`; the empty area holds everything."""
    if not area:
        return true()
    if is_station_id(area):
        return station == area
    return division.startswith(area, autoescape=True)
