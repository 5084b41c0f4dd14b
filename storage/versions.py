"""Numbers that only rise, also as others see them: whoever has read up to n has missed nothing below."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from storage.bulk import Insert
from storage.tables import version

AVAILABILITY: Final = "availability"
ALERTS: Final = "alert"
STATIONS: Final = "station"

_FIRST = Insert(version, on_conflict="keep")
_RAISED = (
    sa.update(version)
    .where(version.c.writer == sa.bindparam("who"))
    .values(n=version.c.n + sa.bindparam("count"))
    .returning(version.c.n)
)


def next_versions(connection: Connection, writer: str, count: int = 1) -> int:
    """Take `count` numbers and return the first of them.

    The counter stays locked until the transaction ends, so the numbers of one writer become visible in
    their order. Take them before touching the rows that carry them, and those of several writers in
    alphabetical order, or two transactions may wait for each other.
    """
    raise_it = {"who": writer, "count": count}
    last: int | None = connection.scalar(_RAISED, raise_it)
    if last is None:
        _FIRST.run(connection, [(writer, 0)])
        last = connection.scalar(_RAISED, raise_it)
        assert last is not None
    return last - count + 1


def last_version(connection: Connection, writer: str) -> int:
    """The highest number that is visible now; 0 when there is none."""
    return connection.scalar(sa.select(version.c.n).where(version.c.writer == writer)) or 0
