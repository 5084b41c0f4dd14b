"""A backup becomes the database again, all of it or nothing, under a new name that stations notice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from storage import audit, backup_file, migrate, postgresql_copy, sqlite_copy, store
from storage.backup_file import BackupRefused, Label
from storage.bulk import Insert
from storage.database import open_database
from storage.tables import metadata, notice, shard, version, worker

RUNNING_MS: Final = 10_000
"""A gateway says every second that it lives; one that said so this lately may still run."""
_EPOCHS: Final = 1_000
_LOCK_WAIT_S: Final = 60.0
_RAISE: Final = Insert(version, on_conflict="replace")


@dataclass(frozen=True, slots=True)
class _Before:
    """What the database that goes had reached: numbers that must not come a second time."""

    epochs: dict[int, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


def check(url: str, path: Path, now_ms: int) -> Label:
    """Read all of the backup, and raise BackupRefused or NewerDatabase when `restore` would not take it."""
    label = backup_file.check(path)
    backend = sa.make_url(url).get_backend_name()
    if label.dialect != backend:
        raise BackupRefused(
            f"{path} is of a {label.dialect} database and cannot be restored into {backend}: "
            "set WAYSTATION_DATABASE_URL to where it came from."
        )
    migrate.refuse_newer(label.revision)
    with _opened(url) as connection:
        if connection is not None:
            _look_before(connection, now_ms)
    return label


def restore(url: str, path: Path, now_ms: int) -> str:
    """Replace the database at `url` by the backup and bring it to the shape of this version.

    Returns the new name of the store. A process that is killed meanwhile leaves the database as it was.
    Raises BackupRefused (damaged, of another kind of database, a gateway runs), NewerDatabase,
    StorageUnavailable.
    """
    label = check(url, path, now_ms)
    if label.dialect == "sqlite":
        return _into_sqlite(url, path, label, now_ms)
    return _into_postgresql(url, path, label, now_ms)


def _into_sqlite(url: str, path: Path, label: Label, now_ms: int) -> str:
    target = Path(str(sa.make_url(url).database))
    with TemporaryDirectory(prefix=".restoring.", dir=target.parent) as folder:
        fresh = Path(folder) / "fresh.sqlite3"
        with backup_file.reading(path) as body, fresh.open("xb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
        sqlite_copy.refuse_damaged(fresh)
        database = open_database(f"sqlite:///{fresh}")
        try:
            with _opened(url) as present:
                before = _Before() if present is None else _look_before(present, now_ms)
            with database.write() as connection:
                name = _settle(connection, before, label, now_ms)
        finally:
            database.close()
        sqlite_copy.copy_in(fresh, target)
    return name


def _into_postgresql(url: str, path: Path, label: Label, now_ms: int) -> str:
    database = open_database(url, lock_wait_s=_LOCK_WAIT_S)
    try:
        with database.write() as connection, backup_file.reading(path) as body:
            migrate.wait_for_others(connection)
            present = set(postgresql_copy.tables(connection))
            if shard.name in present:
                # A gateway that starts at this moment waits here, and finds the restored database.
                connection.execute(sa.text("LOCK TABLE shard IN ACCESS EXCLUSIVE MODE"))
            before = _look_before(connection, now_ms)
            quote = connection.dialect.identifier_preparer.quote
            for name in sorted(present):
                if name in metadata.tables or name.startswith("series_") or name == "alembic_version":
                    connection.execute(sa.text(f"DROP TABLE {quote(name)}"))
            migrate.to_revision(connection, label.revision)
            postgresql_copy.copy_in(connection, body)
            return _settle(connection, before, label, now_ms)
    finally:
        database.close()


@contextmanager
def _opened(url: str) -> Iterator[Connection | None]:
    """A look at the database that is there; None for a SQLite file that is not."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).is_file():
        yield None
        return
    database = open_database(url)
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()


def _look_before(connection: Connection, now_ms: int) -> _Before:
    there = set(sa.inspect(connection).get_table_names())
    if not {shard.name, worker.name, version.name} <= there:
        return _Before()
    newest = connection.scalar(sa.select(sa.func.max(worker.c.seen_ms)))
    if newest is not None and abs(now_ms - newest) < RUNNING_MS:
        raise BackupRefused(
            "A gateway works with this database, or did so a moment ago: stop all of Waystation, wait "
            f"{RUNNING_MS // 1000} s, and try again."
        )
    return _Before(
        epochs={row.i: row.epoch for row in connection.execute(sa.select(shard.c.i, shard.c.epoch))},
        versions={row.writer: row.n for row in connection.execute(sa.select(version))},
    )


def _settle(connection: Connection, before: _Before, label: Label, now_ms: int) -> str:
    """What the restored state must not say again as if nothing had happened."""
    migrate.finish(connection)
    name = store.renew(connection)
    for row in connection.execute(sa.select(shard.c.i, shard.c.epoch)).all():
        # A frozen gateway of before must never find its own epoch in force again.
        epoch = max(row.epoch, before.epochs.get(row.i, 0)) + _EPOCHS
        connection.execute(
            sa.update(shard).where(shard.c.i == row.i).values(epoch=epoch, holder=None, taken_ms=now_ms)
        )
    connection.execute(sa.delete(worker))
    known = {row.writer: row.n for row in connection.execute(sa.select(version))}
    writers = sorted({*known, *before.versions})
    highest = [(writer, max(known.get(writer, 0), before.versions.get(writer, 0))) for writer in writers]
    _RAISE.run(connection, highest)
    waiting = notice.c.state.in_(("waiting", "claimed"))
    connection.execute(sa.update(notice).where(waiting).values(repeated=True))
    audit.note(
        connection, now_ms, "cli", "db.restore", "store", "ok",
        {"made_ms": label.made_ms, "revision": label.revision, "was": label.store, "is": name},
    )  # fmt: skip
    return name
