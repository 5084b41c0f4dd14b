"""Bring a database to the shape that this code expects, or refuse one that is newer."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from domain.errors import WaystationError
from storage import rollup_tables as _hours  # noqa: F401 - its tables belong to the metadata
from storage import series_tables, store
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
            if database.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            config = _config(connection)
            _refuse_newer(connection, ScriptDirectory.from_config(config))
            command.upgrade(config, "head")
            made = series_tables.extend(connection)
            store.seed(connection)
        return made
    finally:
        database.close()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    found = revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise NewerDatabase(
            f"The database is at revision {found}, and this version of Waystation knows only up to "
            f"{scripts.get_current_head()}: start the newer version, or restore a backup from before it."
        )
