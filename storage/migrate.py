"""Bring a database to the shape that this code expects, or refuse one that is newer."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from domain.errors import WaystationError
from storage import revisions, series_tables, store
from storage import rollup_tables as _hours  # noqa: F401 - its tables belong to the metadata
from storage import sending_tables as _sending  # noqa: F401
from storage import series_outbox as _outbox  # noqa: F401
from storage.database import open_database
from storage.revisions import MIGRATIONS, revision

# Any number that nothing else in this database locks.
_ADVISORY_LOCK: Final = 0x57A7
_LOCK_WAIT_S: Final = 60.0


class NewerDatabase(WaystationError):
    """The database was made by a newer version of Waystation."""


def upgrade(url: str) -> list[str]:
    """Run all migrations, then create or extend the series tables, in one transaction.

    Several processes may call it at once: one does the work, the others wait for it. Returns what
    was made in the series. Raises NewerDatabase, BadSettings (a metric changed its type),
    StorageUnavailable.
    """
    database = open_database(url, lock_wait_s=_LOCK_WAIT_S)
    try:
        with database.write() as connection:
            wait_for_others(connection)
            refuse_newer(revision(connection))
            return finish(connection)
    finally:
        database.close()


def wait_for_others(connection: Connection) -> None:
    """Let one process at a time change the shape of the database, until its transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def to_revision(connection: Connection, wanted: str) -> None:
    """Run the migrations up to this one, within the caller's transaction."""
    command.upgrade(_config(connection), wanted)


def finish(connection: Connection) -> list[str]:
    """Run all that are left, within the caller's transaction; returns what was made in the series."""
    to_revision(connection, "head")
    made = series_tables.extend(connection)
    store.seed(connection)
    return made


def refuse_newer(found: str | None) -> None:
    """Raise NewerDatabase for a revision that this code does not know."""
    if found is not None and found not in revisions.known():
        raise NewerDatabase(
            f"The database is at revision {found}, and this version of Waystation knows only up to "
            f"{revisions.newest()}: start the newer version, or restore a backup from before it."
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
