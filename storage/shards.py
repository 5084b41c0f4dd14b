"""Who may command the devices of a shard: whoever raised its epoch last, and nobody else."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound, ShardLost
from storage import tables
from storage.bulk import upsert
from storage.tables import shard

# Made once: it is asked in every transaction of a gateway.
_CHECKED = (
    sa.select(shard.c.epoch, shard.c.holder)
    .where(shard.c.i == sa.bindparam("of"))
    .with_for_update(read=True)
)
# PostgreSQL ends a transaction whose client says nothing, but not always after an executemany: psycopg's last
# message may be a Flush there, and the server counts no idle time from that until the next one.
_END_SILENT = sa.text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE usename = current_user AND datname = current_database() AND wait_event = 'ClientRead'"
    " AND state_change < clock_timestamp() - current_setting('idle_in_transaction_session_timeout')::interval"
    " AND pid IN (SELECT pid FROM pg_locks"
    " WHERE locktype = 'relation' AND relation = 'shard'::regclass AND mode = 'RowShareLock')"
)


class Worker(NamedTuple):
    """A gateway's sign of life. `quick_since_ms` and `bulk_since_ms`: since when the lane has caught up."""

    shard: int
    epoch: int
    pid: int
    seen_ms: int
    quick_since_ms: int | None
    bulk_since_ms: int | None


class Holder(NamedTuple):
    """Who has a shard: `holder` is host and process, as it called itself."""

    epoch: int
    holder: str | None
    taken_ms: int | None


def take(connection: Connection, i: int, name: str, now_ms: int) -> int:
    """Make the process called `name` the only one who may commit for shard `i`; returns its epoch.

    It waits for the transaction of the one before it; on PostgreSQL it ends that when nothing was
    said in it for as long as an idle transaction may last. On SQLite it waits for any transaction, so
    also for that of a frozen process. Then StorageUnavailable comes, and `holder` (in a transaction
    that reads) tells whom to look for.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_END_SILENT)
    epoch: int | None = connection.scalar(
        sa.update(shard)
        .where(shard.c.i == i)
        .values(epoch=shard.c.epoch + 1, holder=name, taken_ms=now_ms)
        .returning(shard.c.epoch)
    )
    if epoch is None:
        raise NotFound(f"There is no shard {i}.")
    return epoch


def check(connection: Connection, i: int, epoch: int) -> None:
    """Raise ShardLost if somebody took the shard since; nobody can until this transaction ends."""
    found = connection.execute(_CHECKED, {"of": i}).one_or_none()
    if found is None or found.epoch != epoch:
        who = f"{found.holder or 'another process'} (epoch {found.epoch})" if found else "nobody"
        raise ShardLost(f"Shard {i} belongs to {who} now, and epoch {epoch} is over: this process must end.")


def holder(connection: Connection, i: int) -> Holder:
    """Who holds the shard now."""
    found = connection.execute(
        sa.select(shard.c.epoch, shard.c.holder, shard.c.taken_ms).where(shard.c.i == i)
    ).one_or_none()
    if found is None:
        raise NotFound(f"There is no shard {i}.")
    return Holder(*found)


def beat(
    connection: Connection,
    i: int,
    epoch: int,
    pid: int,
    now_ms: int,
    quick_since_ms: int | None,
    bulk_since_ms: int | None,
) -> None:
    """Say that the worker lives; to be written every second, after `check`."""
    upsert(tables.worker).run(connection, [(i, epoch, pid, now_ms, quick_since_ms, bulk_since_ms)])


def worker(connection: Connection, i: int) -> Worker | None:
    """The last sign of life of the shard's worker; None when there never was one."""
    found = connection.execute(sa.select(tables.worker).where(tables.worker.c.shard == i)).one_or_none()
    return None if found is None else Worker(*found)
