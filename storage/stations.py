"""Stations: the ledger's rows, and the division that each of them belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound
from storage.areas import within
from storage.bulk import Insert
from storage.tables import device, station
from storage.versions import STATIONS, next_versions

Grade = Literal["basic", "benchmark", "smart24h"]
Status = Literal["active", "paused", "rebuilding", "closed"]


@dataclass(frozen=True, slots=True)
class Station:
    """One station. `adcode` is its routing label for good; `area` its division now (adcode if empty).

    `hours`, `night_hours`: OSM opening_hours. `lat`, `lon`: WGS-84; `datum` says what they were given in.
    `status_until`: a date, YYYY-MM-DD. `version` is set when it is written.
    """

    id: str
    adcode: str
    area: str
    number: str
    name: str
    name_en: str | None = None
    address: str | None = None
    address_en: str | None = None
    grade: Grade = "basic"
    hours: str | None = None
    night_hours: str | None = None
    capacity: int | None = None
    lat: float | None = None
    lon: float | None = None
    datum: str | None = None
    phone: str | None = None
    status: Status = "active"
    status_reason: str | None = None
    status_until: str | None = None
    inside_egress: str | None = None
    created_ms: int = 0
    version: int = 0


_PUT: Final = Insert(station, tuple(Station.__dataclass_fields__), on_conflict="replace")
_COLUMNS: Final = [station.c[name] for name in Station.__dataclass_fields__]


def put_stations(connection: Connection, stations: Sequence[Station]) -> None:
    """Add stations, or replace them as a whole, by their id."""
    if not stations:
        return
    first = next_versions(connection, STATIONS, len(stations))
    rows = []
    for at, one in enumerate(stations):
        rows.append(astuple(replace(one, area=one.area or one.adcode, version=first + at)))
    _PUT.run(connection, rows)


def touch(connection: Connection, ids: Sequence[str]) -> None:
    """Give stations a new version, because something that belongs to them changed."""
    named = sorted(set(ids))
    if not named:
        return
    first = next_versions(connection, STATIONS, len(named))
    connection.execute(
        sa.update(station)
        .where(station.c.id == sa.bindparam("id_"))
        .values(version=sa.bindparam("version_")),
        [{"id_": name, "version_": first + at} for at, name in enumerate(named)],
    )


def get_station(connection: Connection, id: str) -> Station:  # noqa: A002
    """The station, or NotFound."""
    found = connection.execute(sa.select(*_COLUMNS).where(station.c.id == id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no station {id[:40]!r}.")
    return Station(*found)


def list_stations(
    connection: Connection,
    *,
    area: str = "",
    text: str = "",
    status: Status | None = None,
    equipped: bool | None = None,
    after: str = "",
    limit: int = 50,
) -> list[Station]:
    """Stations in the order of their ids, those behind `after`; the last id is the next `after`.

    `text` is looked for in name, English name, address and number; `equipped` tells whether the
    station must have devices or must have none.
    """
    wanted = sa.select(*_COLUMNS).where(within(area, station.c.area, station.c.id))
    if text:
        columns = (station.c.name, station.c.name_en, station.c.address, station.c.number)
        wanted = wanted.where(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if status is not None:
        wanted = wanted.where(station.c.status == status)
    if equipped is not None:
        has = sa.exists().where(device.c.station == station.c.id)
        wanted = wanted.where(has if equipped else ~has)
    if after:
        wanted = wanted.where(station.c.id > after)
    return [Station(*row) for row in connection.execute(wanted.order_by(station.c.id).limit(limit))]


def all_stations(connection: Connection) -> dict[str, Station]:
    """Every station by its id."""
    return {row[0]: Station(*row) for row in connection.execute(sa.select(*_COLUMNS))}


def stations_since(connection: Connection, version: int) -> list[Station]:
    """Stations that were written, or whose devices or doors changed, after this version; oldest first."""
    changed = sa.select(*_COLUMNS).where(station.c.version > version).order_by(station.c.version)
    return [Station(*row) for row in connection.execute(changed)]
