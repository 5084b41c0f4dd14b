"""Readings on their way to a time-series database: as they came, in the order in which they were kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from devices.decode import decode_telemetry
from devices.registry import kind_of
from domain import topics
from domain.errors import BadMessage
from storage.bulk import Insert
from storage.outbox_tables import outbox, position
from storage.said_since import Said
from storage.series_row import SeriesRow

COVERED: Final = "covered"
SENT: Final = "sent"

_ADD: Final = Insert(outbox, ("topic", "boot", "seq", "at_ms", "received_ms", "payload"))
_MOVE: Final = Insert(position, on_conflict="replace")
_NEWEST: Final = sa.select(sa.func.max(outbox.c.id))


class Kept(NamedTuple):
    """One row: `id` rises in the order of commits, with gaps."""

    id: int
    topic: str
    boot: str
    seq: int
    at_ms: int
    received_ms: int
    payload: bytes


def add(connection: Connection, rows: Sequence[SeriesRow]) -> None:
    """Keep readings, within the caller's transaction."""
    _ADD.run(connection, [(row[10], row[2], row[3], row[4], row[6], row[11]) for row in rows])


def newest(connection: Connection) -> int:
    """The id of the newest row; 0 for none."""
    return int(connection.scalar(_NEWEST) or 0)


def read(connection: Connection, after: int, limit: int) -> list[Kept]:
    """The next rows after this id, in order."""
    wanted = sa.select(outbox).where(outbox.c.id > after).order_by(outbox.c.id).limit(limit)
    return list(map(Kept._make, connection.execute(wanted).all()))


def reached(connection: Connection, name: str) -> int:
    """How far one reader of the outbox has come."""
    return int(connection.scalar(sa.select(position.c.id).where(position.c.name == name)) or 0)


def reach(connection: Connection, name: str, id_: int) -> None:
    """Note how far a reader has come."""
    _MOVE.run(connection, [(name, id_)])


def forget(connection: Connection, limit: int) -> int:
    """Delete the oldest rows that every reader is done with; returns how many.

    The newest row stays, since SQLite gives the next one its number.
    """
    done = min(reached(connection, COVERED), reached(connection, SENT), newest(connection) - 1)
    first = connection.scalar(sa.select(sa.func.min(outbox.c.id)))
    if first is None or first > done:
        return 0
    until = min(done, first + limit - 1)
    return connection.execute(sa.delete(outbox).where(outbox.c.id <= until)).rowcount


def said_since(connection: Connection, kind: str) -> Iterator[Said]:
    """Readings of a kind that states and boots need not cover yet."""
    wanted = (
        sa.select(outbox)
        .where(outbox.c.id > reached(connection, COVERED), outbox.c.topic.like(f"ws/%/bulk/{kind}/%"))
        .order_by(outbox.c.id)
    )
    for row in connection.execute(wanted).yield_per(1000):
        kept = Kept(*row)
        try:
            device = topics.parse(kept.topic).device
            if device.kind != kind:
                continue
            reading = decode_telemetry(kind_of(kind), kept.payload)
        except BadMessage:
            # It was understood when it came; a program that reads it otherwise only loses its age.
            continue
        yield Said(
            device, kept.boot, kept.seq, kept.at_ms, kept.received_ms, reading.fields, reading.parts
        )


class Outbox:
    """The gateway's half of a series that is kept elsewhere."""

    in_order = True

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep the messages until they are sent on."""
        add(connection, rows)

    def position(self, connection: Connection) -> int:
        """The id of the newest row."""
        return newest(connection)

    def cover(self, connection: Connection, position: int) -> None:
        """States and boots hold all up to this row, too."""
        reach(connection, COVERED, max(position, reached(connection, COVERED)))

    def said_since(self, connection: Connection, kind: str) -> Iterator[Said]:
        """Rows that states and boots need not cover yet."""
        return said_since(connection, kind)
