"""A gateway in a test's own process, on moved time: no socket, no thread, a real database."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from domain import topics
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


class NearHouse:
    """Station 1 and 2 of a house, and somebody who speaks for the devices of the first."""

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

    def close(self) -> None:
        self.gateway.end()
        self.database.close()
