"""What a start waits for, and what it does not wait for any longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.clock import WallClock
from runtime.ready import FRESH_MS, somebody_listens, wait_for_a_gateway
from storage import shards
from storage.database import Database, open_database
from storage.migrate import upgrade

CLOCK = WallClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'hub.sqlite3'}"
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


def beat(database: Database, age_ms: int = 0, quick_ms: int | None = 1, bulk_ms: int | None = 1) -> None:
    with database.write() as connection:
        shards.beat(connection, 0, 1, 1234, CLOCK.now_ms() - age_ms, quick_ms, bulk_ms)


def test_a_gateway_listens_while_it_is_alive_and_hears_both_lanes(database: Database) -> None:
    assert not somebody_listens(database, CLOCK.now_ms())
    for quick_ms, bulk_ms in ((None, None), (1, None), (None, 1)):
        beat(database, 0, quick_ms, bulk_ms)
        assert not somebody_listens(database, CLOCK.now_ms())
    beat(database)
    assert somebody_listens(database, CLOCK.now_ms())
    beat(database, age_ms=FRESH_MS + 1)
    assert not somebody_listens(database, CLOCK.now_ms()), "that one was here before"


def test_the_wait_ends_when_one_listens_when_told_to_or_when_none_comes(database: Database) -> None:
    looks: list[float] = []

    def stops_never(pause_s: float) -> bool:
        looks.append(pause_s)
        if len(looks) == 3:
            beat(database)
        return False

    wait_for_a_gateway(database, CLOCK, stops_never)
    assert len(looks) == 3
    beat(database, quick_ms=None)
    wait_for_a_gateway(database, CLOCK, lambda _: True)
    wait_for_a_gateway(database, CLOCK, lambda _: False, within_s=0.05)
