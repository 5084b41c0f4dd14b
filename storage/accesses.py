"""Who asked to be let in, where, and what was answered: one row for each request, refused ones too."""

from __future__ import annotations

import json
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from storage.tables import access


class AccessRow(NamedTuple):
    """One request. `actor` is a token's id or a pseudonym; `reasons` are all that spoke against it, in
    order, and `reason` is the first of them, or `granted`; `how` is link (cookie) or token."""

    id: str
    at_ms: int
    station: str
    door_n: int
    actor: str
    how: str
    granted: bool
    reason: str
    reasons: tuple[str, ...] = ()
    command_id: str | None = None
    idempotency_key: str | None = None
    subject: str | None = None


def add(conn: Connection, row: AccessRow) -> bool:
    """Write the row; False, and nothing written, when this actor has used this key already."""
    insert = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(access)
    values = row._asdict()
    values["reasons"] = json.dumps(list(row.reasons))
    added = insert.values(values).on_conflict_do_nothing()
    return conn.scalar(added.returning(access.c.id)) is not None


def set_command(conn: Connection, id_: str, command_id: str) -> None:
    """Say which command came of it."""
    conn.execute(sa.update(access).where(access.c.id == id_).values(command_id=command_id))


def by_key(conn: Connection, actor: str, idempotency_key: str) -> AccessRow | None:
    """What this actor was answered under this key."""
    query = sa.select(access).where(access.c.actor == actor, access.c.idempotency_key == idempotency_key)
    return _first(conn, query)


def of_station(
    conn: Connection, station: str, *, limit: int = 100, granted: bool | None = None
) -> list[AccessRow]:
    """The newest requests at a station, newest first."""
    query = sa.select(access).where(access.c.station == station)
    if granted is not None:
        query = query.where(access.c.granted == granted)
    return [
        _row(row)
        for row in conn.execute(query.order_by(access.c.at_ms.desc(), access.c.id.desc()).limit(limit))
    ]


def granted_since(conn: Connection, station: str, door_n: int, actor: str, since_ms: int) -> int:
    """How often this actor was let in at this door since then."""
    query = sa.select(sa.func.count()).where(
        access.c.station == station,
        access.c.at_ms >= since_ms,
        access.c.door_n == door_n,
        access.c.actor == actor,
        access.c.granted,
    )
    return conn.scalar(query) or 0


def _first(conn: Connection, query: sa.Select[tuple[object, ...]]) -> AccessRow | None:
    row = conn.execute(query).first()
    return None if row is None else _row(row)


def _row(row: sa.Row[tuple[object, ...]]) -> AccessRow:
    values = dict(row._mapping)
    values["reasons"] = tuple(json.loads(values["reasons"]))
    return AccessRow(**values)
