"""Which stations and devices a change of rules touches: how many in each county, of each kind."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from storage.areas import within
from storage.tables import device, station

STATION = "station"
ANY = "any"


class Reach(NamedTuple):
    """`kind` `station` counts the stations themselves."""

    county: str
    kind: str
    stations: int
    devices: int


def reach_of(connection: Connection, kinds: Collection[str], area: str = "", seen: str = "") -> list[Reach]:
    """By county and kind, for rules over these kinds in force in `area`, as far as `seen` may be seen."""
    inside = within(area, station.c.area, station.c.id) & within(seen, station.c.area, station.c.id)
    count = sa.func.count
    found: list[Reach] = []
    if {STATION, ANY} & set(kinds):
        rows = sa.select(station.c.area, count()).where(inside).group_by(station.c.area)
        found += [Reach(county, STATION, n, 0) for county, n in connection.execute(rows)]
    wanted = (
        sa.select(station.c.area, device.c.kind, count(sa.distinct(device.c.station)), count())
        .join(station, station.c.id == device.c.station)
        .where(inside)
        .group_by(station.c.area, device.c.kind)
    )
    if ANY not in kinds:
        wanted = wanted.where(device.c.kind.in_(set(kinds)))
    found += [Reach(*row) for row in connection.execute(wanted)]
    return sorted(found)
