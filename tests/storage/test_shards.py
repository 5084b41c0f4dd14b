"""One owner a shard: who raised the epoch last."""

from __future__ import annotations

import threading

import psycopg
import pytest

from domain.errors import NotFound, ShardLost, StorageUnavailable
from storage import shards, versions
from storage.database import Database, open_database
from storage.shards import Worker
from tests.waiting import eventually


def test_who_comes_later_has_the_shard_and_the_one_before_is_told(db: Database) -> None:
    with db.write() as connection:
        first = shards.take(connection, 0, "a:1", 1000)
        shards.check(connection, 0, first)
    with db.write() as connection:
        second = shards.take(connection, 0, "b:2", 2000)
    assert second == first + 1
    with db.write() as connection:
        shards.check(connection, 0, second)
        with pytest.raises(ShardLost, match=r"belongs to b:2 \(epoch 2\)"):
            shards.check(connection, 0, first)
    with db.read() as connection:
        assert shards.holder(connection, 0) == (second, "b:2", 2000)
    with pytest.raises(NotFound), db.write() as connection:
        shards.take(connection, 7, "a:1", 1000)


def test_nobody_takes_the_shard_inside_a_transaction_that_checked_it(db: Database, migrated_url: str) -> None:
    with db.write() as connection:
        epoch = shards.take(connection, 0, "a:1", 1000)
    hurried = open_database(migrated_url, lock_wait_s=0.1)
    with db.write() as connection:
        shards.check(connection, 0, epoch)
        with pytest.raises(StorageUnavailable), hurried.write() as other:
            shards.take(other, 0, "b:2", 2000)
        with hurried.read() as reading:
            assert shards.holder(reading, 0).holder == "a:1"
    hurried.close()


@pytest.mark.integration
def test_who_froze_after_writing_many_rows_keeps_the_shard_no_longer_than_an_idle_transaction_lasts(
    migrated_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL by itself would wait for ever."""
    monkeypatch.setattr("storage.database.IDLE_IN_TRANSACTION_MS", 2000)
    first, second = (open_database(migrated_postgresql_url, lock_wait_s=0.2) for _ in range(2))
    with second.write() as connection:
        shards.take(connection, 0, "b:2", 500)
    with first.write() as connection:
        epoch = shards.take(connection, 0, "a:1", 1000)

    def taken() -> int:
        try:
            with second.write() as connection:
                return shards.take(connection, 0, "b:2", 2000)
        except StorageUnavailable:
            return 0

    with pytest.raises(StorageUnavailable), first.write() as connection:
        shards.check(connection, 0, epoch)
        # The last that psycopg says in an executemany whose answers are still on their way.
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.pgconn.send_flush_request()
        driver.pgconn.flush()
        assert not taken(), "a moment of silence is none"
        assert eventually(taken, 10) == epoch + 1
    first.close()
    second.close()


def test_two_transactions_of_the_same_owner_do_not_wait_for_each_other_on_postgresql(db: Database) -> None:
    if db.dialect == "sqlite":
        return
    with db.write() as connection:
        epoch = shards.take(connection, 0, "a:1", 1000)
        connection.commit()
    with db.write() as one, db.write() as other:
        shards.check(one, 0, epoch)
        shards.check(other, 0, epoch)


def test_the_sign_of_life_says_which_lane_has_caught_up(db: Database) -> None:
    with db.read() as connection:
        assert shards.worker(connection, 0) is None
    with db.write() as connection:
        shards.beat(connection, 0, 1, 4711, 1000, None, None)
        shards.beat(connection, 0, 1, 4711, 2000, 1500, None)
    with db.read() as connection:
        assert shards.worker(connection, 0) == Worker(0, 1, 4711, 2000, 1500, None)


def test_versions_rise_by_what_was_taken_and_only_when_kept(db: Database) -> None:
    with db.write() as connection:
        assert versions.next_versions(connection, "w", 3) == 1
        assert versions.next_versions(connection, "w") == 4
        assert versions.next_versions(connection, "other") == 1

    def lose_them() -> None:
        with db.write() as connection:
            versions.next_versions(connection, "w", 100)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose_them()
    with db.read() as connection:
        assert versions.last_version(connection, "w") == 4
        assert versions.last_version(connection, "nobody") == 0


def test_versions_become_visible_in_their_order(db: Database) -> None:
    taken: list[int] = []

    def take() -> None:
        for _ in range(20):
            with db.write() as connection:
                taken.append(versions.next_versions(connection, "w"))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == list(range(1, 61))
