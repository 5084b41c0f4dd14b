"""Finds out when the hub itself took nothing in: no station at all was heard then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from devices.registry import kinds
from domain.ids import DeviceId
from rules.away import HubAway
from storage.database import Database
from storage.series_tables import series_tables
from storage.tables import device

if TYPE_CHECKING:
    from storage.influx_series import InfluxSeries

AWAY_MS: Final = 180_000
"""Every device speaks at least once a minute; nobody at all is silent for three by chance."""
ENOUGH_STATIONS: Final = 3
"""With fewer, nobody can tell a silent station from a hub that was away."""
MOST_ASKED: Final = 200

Span = tuple[int, int]


def hub_away(database: Database, from_ms: int, to_ms: int, influx: InfluxSeries | None = None) -> HubAway:
    """The times in which no message of any station was received. Asks only until that is certain.

    `influx` has the readings where they are not in tables.
    """
    with database.read() as connection:
        asked = _one_of_each_station(connection)
        if len(asked) < ENOUGH_STATIONS:
            return HubAway()

        def heard(one: DeviceId, span: Span) -> list[int]:
            if influx is None:
                return _heard(connection, one, span)
            return [at_ms for at_ms in influx.received_ms(one, *span) if at_ms < span[1]]

        spans = _gaps(sorted(heard(asked[0], (from_ms, to_ms))), (from_ms, to_ms))
        for one in asked[1:]:
            if not spans:
                break
            spans = [part for span in spans for part in _left(sorted(heard(one, span)), span)]
        # Before the first message of all there is nothing to be silent about.
        return HubAway(spans)


def _one_of_each_station(connection: Connection) -> list[DeviceId]:
    wanted = (
        sa.select(device.c.station, sa.func.min(device.c.kind))
        .where(device.c.kind.in_(list(kinds())), device.c.n == 1)
        .group_by(device.c.station)
        .order_by(device.c.station)
        .limit(MOST_ASKED)
    )
    return [DeviceId(station, kind, 1) for station, kind in connection.execute(wanted)]


def _heard(connection: Connection, one: DeviceId, span: Span) -> list[int]:
    table = series_tables()[one.kind].own
    return list(connection.scalars(sa.select(table.c.received_ms).where(*_within(table, one, span))))


def _left(heard: Sequence[int], span: Span) -> Sequence[Span]:
    """What is left of a silence when another device was heard in it."""
    return [span] if not heard else _gaps(heard, span)


def _within(table: Table, one: DeviceId, span: Span) -> list[sa.ColumnElement[bool]]:
    # What was received late counted earlier; who was heard at all then also said something of then.
    return [
        table.c.station == one.station,
        table.c.n == one.n,
        table.c.at_ms >= span[0],
        table.c.at_ms < span[1],
        table.c.received_ms < span[1],
    ]


def _gaps(heard: Sequence[int], span: Span) -> list[Span]:
    moments = [span[0], *heard, span[1]]
    return [(a, b) for a, b in pairwise(moments) if b - a >= AWAY_MS]
