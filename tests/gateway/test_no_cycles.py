"""What a gateway's process holds on to: nothing that only a search for cycles would find."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from domain.errors import StorageUnavailable
from domain.ids import DeviceId
from tests.gateway.near_house import CABINET, DOOR, SENSOR, STRANGER, NearHouse


@pytest.fixture
def place(migrated_url: str) -> Iterator[NearHouse]:
    # Pytest keeps what is logged, and with an error all that its traceback leads to.
    logging.disable()
    made = NearHouse(migrated_url)
    made.work()
    yield made
    logging.disable(logging.NOTSET)
    made.close()


def say_much(place: NearHouse) -> None:
    for count in (1, 1, 1, 2):
        place.says(SENSOR, count_raw=count, presence=True)
        place.says(DOOR, bolt="locked", leaf="open")
        place.says(CABINET, status="idle", slots=[{"n": n, "temp_c": 20.0 + count} for n in range(1, 11)])
        place.work()


def say_badly(place: NearHouse) -> None:
    place.carry(SENSOR, b"\xff{")
    place.carry(SENSOR, b'{"v":1,"ts":1,"ts":2}')
    place.says(SENSOR, count_raw="three")
    place.says(SENSOR, count_raw=-7, odd=1)
    place.says(DeviceId(SENSOR.station, SENSOR.kind, 9), count_raw=1)
    place.says(STRANGER, leaf="open")
    for _ in range(2):
        place.carry(SENSOR, b'{"v":1,"ts":null,"boot":"b1","seq":1,"low":0,"count_raw":1}')
    place.work()


def find_the_database_away(place: NearHouse) -> None:
    place.series.failures = [StorageUnavailable("gone"), StorageUnavailable("still gone")]
    say_much(place)


def find_a_culprit(place: NearHouse) -> None:
    place.series.failures = [ValueError("cannot be kept")] * 3
    say_much(place)


@pytest.mark.parametrize("lives", [say_much, say_badly, find_the_database_away, find_a_culprit])
def test_a_batch_leaves_no_cycle_behind(place: NearHouse, lives: Callable[[NearHouse], None]) -> None:
    lives(place)  # whatever is made once only
    before = place.gateway.health.counts["messages"]
    gc.unfreeze()
    gc.collect()
    lives(place)
    gc.unfreeze()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(type(one).__name__ for one in gc.garbage)
    gc.garbage.clear()
    assert place.gateway.health.counts["messages"] > before
    heavy = found.keys() & {"Overlay", "SeriesRow", "Incoming", "DeviceState", "Facts", "frame", "traceback"}
    assert not heavy, found
    assert found.total() < 20, found
