"""Which of the database's complaints may pass, and which are about the row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc

from domain.errors import StorageUnavailable, WaystationError

_SQLITE_PASSES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_SQLITE_ROW: Final = frozenset(
    {
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
    }
)
_POSTGRESQL_FULL: Final = "53100"
# SQLSTATE classes: data, constraint, beyond the program's limits (an index entry too long).
_POSTGRESQL_ROW: Final = ("22", "23", "54")
_POSTGRESQL_PASSES: Final = (
    "08",  # connection
    "25P03",  # idle in transaction for too long
    "40",  # deadlock, serialization
    "53",  # out of disk, memory, connections
    "55P03",  # lock not available
    "57",  # cancelled, shutting down, starting up
    "58",  # input, output
)


class DiskFull(StorageUnavailable):
    """Reading works and writing does not, until there is room again."""


class RowRefused(WaystationError):
    """The database will never take one of these rows; the others may go through without it."""


@contextmanager
def explained(*, writing: bool) -> Iterator[None]:
    """Turn what may pass into StorageUnavailable and what is a row's fault into RowRefused.

    Anything else (a missing table, a damaged file, writing where only reading was meant) comes through
    as it is: trying again, with all rows or with half of them, would not help.
    """
    try:
        yield
    except WaystationError:
        raise
    except exc.TimeoutError as error:
        raise StorageUnavailable("All connections to the database are in use.") from error
    except exc.DBAPIError as error:
        translated = _of_dbapi(error, writing)
        if translated is None:
            raise
        raise translated from error
    except sqlite3.Error as error:
        translated = _of_sqlite(error, writing)
        if translated is None:
            raise
        raise translated from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise RowRefused(f"A value cannot be kept in the database: {error}.") from error


def _of_dbapi(error: exc.DBAPIError, writing: bool) -> WaystationError | None:
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, writing)
    state = getattr(original, "sqlstate", None)
    said = _first_line(original)
    if state is None:
        # No answer from the server at all, or a value that the driver could not send.
        if error.connection_invalidated or isinstance(error, exc.OperationalError):
            return StorageUnavailable(f"PostgreSQL does not answer: {said}.")
        return RowRefused(f"PostgreSQL's driver refuses a value: {said}.")
    if state.startswith(_POSTGRESQL_ROW):
        return RowRefused(f"PostgreSQL refuses a row: {said}.")
    # Read-only: a disk that was remounted after an error, a server that became a standby.
    standby = state == "25006" and writing
    if state == _POSTGRESQL_FULL:
        return DiskFull(f"The disk is full under PostgreSQL ({said}): make room there.")
    if error.connection_invalidated or standby or state.startswith(_POSTGRESQL_PASSES):
        return StorageUnavailable(f"PostgreSQL is not available: {said}.")
    return None


def _of_sqlite(error: sqlite3.Error, writing: bool) -> WaystationError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Raised by the driver itself: a value of a type that it cannot bind.
        return RowRefused(f"SQLite's driver refuses a value: {error}.")
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return DiskFull("The disk is full under the SQLite file: make room there, or prune sooner.")
    if primary in _SQLITE_PASSES or (primary == sqlite3.SQLITE_READONLY and writing):
        return StorageUnavailable(f"SQLite is not available: {error}.")
    if primary in _SQLITE_ROW:
        return RowRefused(f"SQLite refuses a row: {error}.")
    return None


def _first_line(error: BaseException | None) -> str:
    # The lines below the first may repeat a whole row.
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def is_busy(error: sqlite3.OperationalError) -> bool:
    """True when somebody else writes."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
