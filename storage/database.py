"""The way to the database: one transaction at a time, to read or to write, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from domain.errors import BadSettings
from storage.errors import explained, is_busy

Dialect = Literal["sqlite", "postgresql"]

IDLE_IN_TRANSACTION_MS: Final = 5000
_PAUSE_S: Final = 0.002
_WAL_ATTEMPTS: Final = 2500
_OLDEST_SQLITE: Final = (3, 35)  # RETURNING


class database_now_ms(FunctionElement[int]):  # noqa: N801
    """In a statement: the database's own time, epoch milliseconds, at the moment of execution."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(database_now_ms, "sqlite")
def _sqlite_now(element: database_now_ms, compiler: Any, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(database_now_ms, "postgresql")
def _postgresql_now(element: database_now_ms, compiler: Any, **_: Any) -> str:
    return "CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)"


class Database:
    """Hands out connections in a transaction. Safe to share between threads; a connection is not."""

    def __init__(self, dialect: Dialect, writer: Engine, reader: Engine) -> None:
        self.dialect: Final[Dialect] = dialect
        self._writer = writer
        self._reader = reader

    @property
    def url(self) -> str:
        """The address with everything that opening it again needs, a password too: never to be logged."""
        return self._reader.url.render_as_string(hide_password=False)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: commits at the end, rolls back on any error.

        Raises StorageUnavailable when trying again may help (somebody else writes for too long, no
        connection, disk full) and RowRefused when one of the rows can never be taken. After
        StorageUnavailable a commit may still have reached the database, as always with a lost
        connection: what is written must stand being written twice.
        """
        with explained(writing=True), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, one moment's picture of all tables; it blocks no writer."""
        with explained(writing=False), self._reader.begin() as connection:
            yield connection

    @staticmethod
    def now_ms(connection: Connection) -> int:
        """The database's own time, epoch milliseconds; on PostgreSQL not the start of the transaction."""
        return int(connection.scalar(sa.select(database_now_ms())) or 0)

    def close(self) -> None:
        """Close all connections that are not in use; the object can be used again."""
        self._writer.dispose()
        self._reader.dispose()


def open_database(
    url: str, *, lock_wait_s: float = 5.0, connections: int = 8, cache_mb: int = 64
) -> Database:
    """Open `sqlite:///path` or `postgresql://…`; the first transaction connects.

    `lock_wait_s`: how long to wait for somebody else's transaction. `connections`: how many may
    read, and how many may write, at the same time in this process. `cache_mb`: of SQLite's pages, for
    each that writes; a quarter of it for each that reads.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise BadSettings("The database's address must begin with sqlite:/// or postgresql://.") from None
    backend = parsed.get_backend_name()
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": max(lock_wait_s, 1.0)}
    if backend == "sqlite":
        return _open_sqlite(parsed, lock_wait_s, pool, cache_mb)
    if backend == "postgresql":
        return _open_postgresql(parsed, lock_wait_s, pool)
    raise BadSettings(f"{backend} databases are not supported; take sqlite:/// or postgresql://.")


def _open_sqlite(url: sa.URL, lock_wait_s: float, pool: dict[str, Any], cache_mb: int) -> Database:
    if url.database in (None, "", ":memory:") or "mode" in url.query:
        raise BadSettings(
            "SQLite must be given a file: processes share it. Write sqlite:///var/waystation.sqlite3."
        )
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise BadSettings(f"This Python brings SQLite {sqlite3.sqlite_version}; 3.35 or later is needed.")
    folder = Path(str(url.database)).parent
    if not folder.is_dir():
        raise BadSettings(f"The folder {folder} of the SQLite file does not exist; make it first.")
    # The wait for BEGIN is our own: SQLite's sleeps up to 100 ms between two looks, and a busy
    # gateway would win every time against somebody who wants to open one door.
    writer = sa.create_engine(url, connect_args={"timeout": min(lock_wait_s, 1.0)}, **pool)
    reader = sa.create_engine(url, connect_args={"timeout": lock_wait_s}, **pool)
    event.listen(writer, "connect", _prepare_sqlite)
    event.listen(reader, "connect", _prepare_sqlite)
    event.listen(writer, "connect", _cache(cache_mb * 1024))
    event.listen(reader, "connect", _cache(cache_mb * 256))
    event.listen(writer, "begin", _begin_immediate(max(1, round(lock_wait_s / _PAUSE_S))))
    event.listen(reader, "connect", _only_read)
    event.listen(reader, "begin", _begin)
    return Database("sqlite", writer, reader)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver must not begin transactions by itself; the "begin" events do.
    connection.isolation_level = None
    _use_wal(connection)
    for setting in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "wal_autocheckpoint=16000",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {setting}").close()


def _use_wal(connection: sqlite3.Connection) -> None:
    # Two that turn a new file to WAL at once do not wait for each other, whatever the timeout says.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if attempt + 1 == _WAL_ATTEMPTS or not is_busy(error):
                raise
        time.sleep(_PAUSE_S)


def _only_read(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA query_only=ON").close()


def _cache(size_kb: int) -> Callable[[sqlite3.Connection, object], None]:
    def set_size(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA cache_size=-{size_kb}").close()

    return set_size


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(attempts: int) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA busy_timeout=0").close()
        for attempt in range(attempts):
            try:
                driver.execute("BEGIN IMMEDIATE").close()
                return
            except sqlite3.OperationalError as error:
                if attempt + 1 == attempts or not is_busy(error):
                    raise
            time.sleep(_PAUSE_S)

    return begin


def _confirm_only_what_is_written(connection: Any, _: object) -> None:
    # A server that confirms first and writes later would forget, in a crash, what stations were promised.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    ).close()
    connection.commit()


def _open_postgresql(url: sa.URL, lock_wait_s: float, pool: dict[str, Any]) -> Database:
    given = url.query.get("options", "")
    options = [
        *((given,) if isinstance(given, str) else given),
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}",
        f"-c lock_timeout={max(1, round(lock_wait_s * 1000))}",
        "-c timezone=UTC",
    ]
    only_read = ["-c default_transaction_read_only=on", r"-c default_transaction_isolation=repeatable\ read"]
    url = url.set(drivername="postgresql+psycopg")
    connect: dict[str, Any] = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "waystation",
        **{key: value for key, value in url.query.items() if isinstance(value, str)},
    }
    pool["pool_pre_ping"] = True
    writer, reader = (
        sa.create_engine(url, connect_args={**connect, "options": " ".join(said)}, **pool)
        for said in (options, options + only_read)
    )
    event.listen(writer, "connect", _confirm_only_what_is_written)
    return Database("postgresql", writer, reader)
