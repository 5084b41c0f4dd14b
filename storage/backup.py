"""A backup of the whole database while the hub runs: one moment's picture, in one file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound
from storage import postgresql_copy, sqlite_copy
from storage.backup_file import BackupRefused, BackupWriter, Label, writing
from storage.database import Database, open_database
from storage.revisions import revision
from storage.store import store_id

Progress = Callable[[int, int], None]


def make(url: str, path: Path, now_ms: int, progress: Progress | None = None) -> Label:
    """Write a backup of the database at `url` to a new file; also of one that an older version made.

    Nobody who works with the database waits for it. On SQLite the folder of `path` takes a whole copy
    for a moment. Raises BackupRefused, StorageUnavailable.
    """
    database = open_database(url)
    try:
        with writing(path) as writer:
            if database.dialect == "sqlite":
                _sqlite(Path(str(sa.make_url(url).database)), path, writer, now_ms, progress)
            else:
                _postgresql(database, writer, now_ms)
        assert writer.label is not None
        return writer.label
    finally:
        database.close()


def _sqlite(file: Path, path: Path, writer: BackupWriter, now_ms: int, progress: Progress | None) -> None:
    if not file.is_file():
        raise BackupRefused(f"There is no database at {file}.")
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        sqlite_copy.copy_out(file, copy, progress)
        sqlite_copy.refuse_damaged(copy)
        copied = open_database(f"sqlite:///{copy}")
        try:
            with copied.read() as connection:
                writer.label = _label(connection, now_ms)
        finally:
            copied.close()
        with copy.open("rb") as pages:
            shutil.copyfileobj(pages, writer.body, 1 << 20)


def _postgresql(database: Database, writer: BackupWriter, now_ms: int) -> None:
    with database.read() as connection:
        writer.label = _label(connection, now_ms)
        postgresql_copy.copy_out(connection, writer.body)


def _label(connection: Connection, now_ms: int) -> Label:
    found = revision(connection)
    if found is None:
        raise NotFound("The database is empty: there is nothing to keep yet.")
    return Label(now_ms, connection.dialect.name, found, store_id(connection))
