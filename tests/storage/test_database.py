"""Transactions: what commits, what rolls back, who waits for whom, and which errors may pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from domain.errors import BadSettings, StorageUnavailable
from storage.database import Database, open_database
from storage.errors import RowRefused
from storage.tables import meta, metadata


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = open_database(database_url, lock_wait_s=0.2)
    with database.write() as connection:
        metadata.create_all(connection)
    yield database
    database.close()


def _keys(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(sa.select(meta.c.key)))


def test_a_write_commits_at_its_end_and_rolls_back_on_an_error(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.insert(meta).values(key="kept", value="1"))

    def stumble() -> None:
        with database.write() as connection:
            connection.execute(sa.insert(meta).values(key="lost", value="1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stumble()
    assert _keys(database) == {"kept"}


def test_a_reader_sees_one_moment_and_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as writing:
        writing.execute(sa.insert(meta).values(key="new", value="1"))
        assert _keys(database) == set()
    with database.read() as reading:
        assert reading.scalar(sa.select(sa.func.count()).select_from(meta)) == 1
        with database.write() as writing:
            writing.execute(sa.insert(meta).values(key="newer", value="1"))
        assert reading.scalar(sa.select(sa.func.count()).select_from(meta)) == 1
    assert _keys(database) == {"new", "newer"}


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read-?only"), database.read() as connection:
        connection.execute(sa.insert(meta).values(key="k", value="1"))
    assert _keys(database) == set()


def test_who_waits_too_long_for_a_lock_is_told_that_it_may_pass(database: Database) -> None:
    with database.write() as first:
        first.execute(sa.insert(meta).values(key="k", value="1"))
        with pytest.raises(StorageUnavailable), database.write() as second:
            second.execute(sa.insert(meta).values(key="k", value="2"))
    assert _keys(database) == {"k"}


def test_who_waits_gets_its_turn_when_the_other_ends(sqlite_url: str) -> None:
    database = open_database(sqlite_url, lock_wait_s=20)
    with database.write() as connection:
        metadata.create_all(connection)
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with database.write() as connection:
            connection.execute(sa.insert(meta).values(key="second", value="1"))

    thread = threading.Thread(target=second)
    with database.write() as connection:
        connection.execute(sa.insert(meta).values(key="first", value="1"))
        thread.start()
        assert waiting.wait(10)
    thread.join(20)
    assert _keys(database) == {"first", "second"}
    database.close()


def test_a_row_that_can_never_be_taken_is_not_mistaken_for_an_outage(database: Database) -> None:
    for value in (2**63, 10**23):
        with pytest.raises(RowRefused), database.write() as connection:
            connection.execute(sa.text("INSERT INTO version VALUES ('w', :n)"), {"n": value})
    with pytest.raises(RowRefused), database.write() as connection:
        connection.execute(sa.insert(meta).values(key="k", value="\ud800"))
    with pytest.raises(RowRefused), database.write() as connection:
        connection.execute(sa.insert(meta).values(key="k", value=None))
    with pytest.raises(RowRefused), database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO meta VALUES (?, ?)"
            if database.dialect == "sqlite"
            else "INSERT INTO meta VALUES (%s, %s)",
            ("k", object()),
        )


def test_what_is_committed_survives_a_power_cut(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.write() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
    database.close()


@pytest.mark.integration
def test_a_frozen_process_does_not_hold_postgresql_for_ever(postgresql_url: str) -> None:
    database = open_database(postgresql_url, lock_wait_s=2.5)
    with database.write() as writing, database.read() as reading:
        for connection in (writing, reading):
            assert connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "5s"
            assert connection.scalar(sa.text("SHOW lock_timeout")) == "2500ms"
        assert reading.scalar(sa.text("SHOW transaction_isolation")) == "repeatable read"
    database.close()


def test_a_missing_table_is_neither(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as connection:
        connection.execute(sa.text("SELECT * FROM nowhere"))


def test_the_database_tells_the_time(database: Database) -> None:
    with database.write() as connection:
        before = round(time.time() * 1000)
        assert abs(database.now_ms(connection) - before) < 2000


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    database = open_database(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(StorageUnavailable), database.read():
        pass
    database.close()


@pytest.mark.integration
def test_a_lost_connection_is_replaced(postgresql_url: str) -> None:
    database = open_database(postgresql_url)

    def lose_it() -> None:
        with database.write() as connection:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            with database.write() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(StorageUnavailable):
        lose_it()
    with database.write() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    database.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "must be given a file"),
        ("sqlite:////no/such/folder/file", "does not exist"),
        ("mysql://x/y", "must begin with|not supported"),
        ("nonsense", "must begin with"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_a_sentence(url: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        open_database(url)


def test_a_full_disk_passes_when_there_is_room_again(sqlite_url: str) -> None:
    database = open_database(sqlite_url, connections=1)
    with database.write() as connection:
        metadata.create_all(connection)
        pages = connection.scalar(sa.text("PRAGMA page_count"))
    with pytest.raises(StorageUnavailable, match="full"), database.write() as connection:
        connection.execute(sa.text(f"PRAGMA max_page_count={pages}"))
        connection.execute(sa.insert(meta), [{"key": f"{n}", "value": "x" * 9000} for n in range(20)])
    assert _keys(database) == set()
    with database.write() as connection:
        connection.execute(sa.text("PRAGMA max_page_count=1000000"))
        connection.execute(sa.insert(meta).values(key="k", value="1"))
    assert _keys(database) == {"k"}
    database.close()
