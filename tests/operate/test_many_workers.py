"""Several workers on one database: what is claimed is claimed by one, whoever else reaches for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from courier.channel import RecordingChannel
from courier.courier import Courier
from domain.errors import ShardLost
from domain.ids import DeviceId
from runtime.clock import WallClock
from storage import alerts, commands, notices, shards
from storage.commands import NewCommand
from storage.database import Database, open_database
from tests.storage.rows import alert

pytestmark = pytest.mark.integration

WORKERS = 6
NOTICES = 120
DOORS = 40
clock = WallClock()


@pytest.fixture
def open_one(migrated_url: str) -> Iterator[Callable[[], Database]]:
    """Opens the database anew for each worker, as processes do."""
    opened: list[Database] = []

    def make() -> Database:
        opened.append(open_database(migrated_url))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


def together(work: Callable[[int], None]) -> None:
    """Run it in all workers, from the same moment on."""
    start = threading.Barrier(WORKERS)

    def begin(n: int) -> None:
        start.wait()
        work(n)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(begin, n) for n in range(WORKERS)]:
            done.result()


def test_couriers_share_the_notices_and_send_each_once(open_one: Callable[[], Database]) -> None:
    database, channel = open_one(), RecordingChannel()
    with database.write() as connection:
        for n in range(NOTICES):
            alerts.open_many(connection, [alert(f"a{n}", part=n)])
            assert notices.create(connection, f"a{n}", "opened", "webhook", 0)
    couriers = [Courier(open_one(), [channel], clock, base_url="http://hub") for _ in range(WORKERS)]
    shares: Counter[int] = Counter()

    def send_until_nothing_is_left(n: int) -> None:
        while sent := couriers[n].round():
            shares[n] += sent

    together(send_until_nothing_is_left)
    while left := couriers[0].round():
        shares[0] += left
    print(f"{database.dialect}: {NOTICES} notices, shares {sorted(shares.values())}, sent twice 0")
    assert Counter(message.key for message in channel.messages) == {f"a{n}:opened": 1 for n in range(NOTICES)}
    with database.read() as connection:
        assert notices.counts(connection) == {"sent": NOTICES}
        repeated = "SELECT count(*) FROM notice WHERE repeated OR attempts <> 1"
        assert connection.scalar(sa.text(repeated)) == 0


def test_many_people_at_one_door_start_one_unlock(open_one: Callable[[], Database]) -> None:
    databases = [open_one() for _ in range(WORKERS)]
    taken: list[str] = []

    def tap_every_door(n: int) -> None:
        for door in range(DOORS):
            with databases[n].write() as connection:
                new = _unlock(door, f"{door:03d}-{n}", Database.now_ms(connection))
                if commands.create(connection, new):
                    taken.append(new.id)

    together(tap_every_door)
    assert len(taken) == DOORS
    assert len({id_.split("-")[0] for id_ in taken}) == DOORS, "one for each door"


def test_a_command_is_claimed_by_one_gateway_and_each_step_counts_once(
    open_one: Callable[[], Database],
) -> None:
    databases = [open_one() for _ in range(WORKERS)]
    with databases[0].write() as connection:
        now_ms = Database.now_ms(connection)
        for door in range(DOORS):
            assert commands.create(connection, _unlock(door, f"{door:03d}", now_ms))
    claimed: list[tuple[str, int]] = []
    stepped: Counter[str] = Counter()

    def claim_and_step(n: int) -> None:
        with databases[n].write() as connection:
            rows = commands.claim_created(connection, n, Database.now_ms(connection))
        claimed.extend((row.id, n) for row in rows)
        for door in range(DOORS):
            with databases[n].write() as connection:
                if commands.step(connection, f"{door:03d}", ("preparing",), "sent", now_ms):
                    stepped[f"{door:03d}"] += 1

    together(claim_and_step)
    assert Counter(id_ for id_, _ in claimed) == {f"{door:03d}": 1 for door in range(DOORS)}
    assert stepped == {f"{door:03d}": 1 for door in range(DOORS)}
    with databases[0].read() as connection:
        by = {row[0]: row[1] for row in connection.execute(sa.text("SELECT id, claimed_epoch FROM command"))}
        assert by == dict(claimed), "the row names the one who has it"
        steps = "SELECT count(*) FROM command_step WHERE state = 'sent'"
        assert connection.scalar(sa.text(steps)) == DOORS


def test_a_shard_that_many_take_belongs_to_the_last_and_no_epoch_comes_twice(
    open_one: Callable[[], Database],
) -> None:
    databases = [open_one() for _ in range(WORKERS)]
    epochs: list[int] = []
    commits: Counter[int] = Counter()

    def take_and_commit(n: int) -> None:
        for _ in range(10):
            with databases[n].write() as connection:
                epoch = shards.take(connection, 0, f"worker {n}", 0)
            epochs.append(epoch)
            try:
                with databases[n].write() as connection:
                    shards.check(connection, 0, epoch)
                    commits[epoch] += 1
            except ShardLost:
                pass

    together(take_and_commit)
    assert sorted(epochs) == list(range(1, WORKERS * 10 + 1))
    with databases[0].read() as connection:
        assert shards.holder(connection, 0).epoch == WORKERS * 10
    assert commits[WORKERS * 10] == 1


def _unlock(door: int, id_: str, now_ms: int) -> NewCommand:
    device = DeviceId(f"331002-{door:04d}", "door_lock", 1)
    return NewCommand(id_, device, "331002", "unlock", {}, "access:x", False, now_ms, "worker")
