"""What a gateway's process holds on to: nothing that only a search for cycles would find."""

from __future__ import annotations

import gc
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import Connection

from domain import topics
from domain.errors import StorageUnavailable
from domain.ids import DeviceId
from gateway.options import GatewayOptions
from gateway.service import Gateway
from runtime.moved_clock import MovedClock
from runtime.near_hub import NearHub
from signing.keys import SigningKey
from storage.database import open_database
from storage.series_outbox import Outbox
from storage.series_row import SeriesRow
from tests.gateway.house import ADCODE, furnish, station_id

NOW_MS = 1_796_000_000_000
DOOR, SENSOR = DeviceId(station_id(1), "door_lock", 1), DeviceId(station_id(1), "occupancy_sensor", 1)
CABINET, STRANGER = DeviceId(station_id(1), "swap_cabinet", 1), DeviceId("331002-9999", "door_lock", 1)


class FailingOutbox(Outbox):
    """Stands for a database that fails in turn."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        if self.failures:
            raise self.failures.pop()
        super().append(connection, kind, rows)


class Place:
    """A gateway in this process, and somebody who speaks for its devices."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        furnish(self.database)
        self.series, self.clock = FailingOutbox(), MovedClock(NOW_MS)
        self.hub = NearHub(self.clock)
        options = GatewayOptions(channels=("log",), holder="test")
        self.gateway = Gateway(
            self.database, self.series, self.hub, SigningKey(bytes(range(32))), self.clock, options
        )
        self.gateway.begin()
        self._seq = 0

    def says(self, device: DeviceId, **content: object) -> None:
        self._seq += 1
        body = {"v": 1, "ts": self.clock.now_ms(), "boot": "b1", "seq": self._seq, "low": 0, **content}
        self.carry(device, json.dumps(body, separators=(",", ":")).encode())

    def carry(self, device: DeviceId, payload: bytes) -> None:
        self.hub.carry(topics.telemetry(ADCODE, device), payload)

    def work(self) -> None:
        """Until nothing waits, a while later."""
        self.clock.move(5.0)
        self.gateway.turn()
        while len(self.hub):
            self.gateway.turn()


@pytest.fixture
def place(migrated_url: str) -> Iterator[Place]:
    # Pytest keeps what is logged, and with an error all that its traceback leads to.
    logging.disable()
    made = Place(migrated_url)
    made.work()
    yield made
    logging.disable(logging.NOTSET)
    made.gateway.end()
    made.database.close()


def say_much(place: Place) -> None:
    for count in (1, 1, 1, 2):
        place.says(SENSOR, count_raw=count, presence=True)
        place.says(DOOR, bolt="locked", leaf="open")
        place.says(CABINET, status="idle", slots=[{"n": n, "temp_c": 20.0 + count} for n in range(1, 11)])
        place.work()


def say_badly(place: Place) -> None:
    place.carry(SENSOR, b"\xff{")
    place.carry(SENSOR, b'{"v":1,"ts":1,"ts":2}')
    place.says(SENSOR, count_raw="three")
    place.says(SENSOR, count_raw=-7, odd=1)
    place.says(DeviceId(SENSOR.station, SENSOR.kind, 9), count_raw=1)
    place.says(STRANGER, leaf="open")
    for _ in range(2):
        place.carry(SENSOR, b'{"v":1,"ts":null,"boot":"b1","seq":1,"low":0,"count_raw":1}')
    place.work()


def find_the_database_away(place: Place) -> None:
    place.series.failures = [StorageUnavailable("gone"), StorageUnavailable("still gone")]
    say_much(place)


def find_a_culprit(place: Place) -> None:
    place.series.failures = [ValueError("cannot be kept")] * 3
    say_much(place)


@pytest.mark.parametrize("lives", [say_much, say_badly, find_the_database_away, find_a_culprit])
def test_a_batch_leaves_no_cycle_behind(place: Place, lives: Callable[[Place], None]) -> None:
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
