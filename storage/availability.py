"""What devices say of their station, as the gateway last knew it; rules reckon what follows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy import Connection

from storage.bulk import upsert
from storage.tables import availability
from storage.versions import AVAILABILITY, next_versions


class AvailabilityRow(NamedTuple):
    """`facts`: devices, lockdown and link of a station, JSON-able. `version` is set on writing."""

    station: str
    adcode: str
    facts: Mapping[str, Any]
    changed_ms: int
    version: int = 0


def upsert_many(connection: Connection, rows: Sequence[AvailabilityRow]) -> int:
    """Write the facts of stations, each at most once; returns the version of the first, others follow."""
    if not rows:
        return 0
    first = next_versions(connection, AVAILABILITY, len(rows))
    upsert(availability).run(
        connection,
        [
            (row.station, row.adcode, to_json(row.facts).decode(), first + at, row.changed_ms)
            for at, row in enumerate(rows)
        ],
    )
    return first


def changed_since(connection: Connection, version: int, limit: int = 5000) -> list[AvailabilityRow]:
    """Rows written after this version, oldest first; fewer than `limit` means that these are all."""
    wanted = sa.select(availability).where(availability.c.version > version)
    return [_row(row) for row in connection.execute(wanted.order_by(availability.c.version).limit(limit))]


def load_all(connection: Connection) -> list[AvailabilityRow]:
    """The facts of every station that has some."""
    return [_row(row) for row in connection.execute(sa.select(availability).order_by(availability.c.station))]


def get(connection: Connection, station: str) -> AvailabilityRow | None:
    """The facts of one station; None when none of its devices ever spoke."""
    found = connection.execute(sa.select(availability).where(availability.c.station == station)).one_or_none()
    return None if found is None else _row(found)


def _row(row: sa.Row[*tuple[Any, ...]]) -> AvailabilityRow:
    return AvailabilityRow(row.station, row.adcode, json.loads(row.facts), row.changed_ms, row.version)
