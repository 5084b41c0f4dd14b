"""A door that is forced every second: how long after the message its alert stands in the database."""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from storage import registry, stations
from storage.database import Database
from storage.tables import alert
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions

ADCODE = "331002"
LOOK_EVERY_S, LOOK_LATER_EVERY_S, LATER_S = 0.002, 0.02, 0.25
"""Who waits for long looks less often: the machine has other things to do."""
GIVEN_UP_S = 30.0


def probe_doors(count: int) -> list[str]:
    """Names of stations that only this bench has."""
    return [f"{ADCODE}-P{n:05d}" for n in range(count)]


def add_probe_doors(database: Database, doors: list[str]) -> None:
    """Register a door for each probe: an alert of a forced door stays open, so each serves once."""
    with database.write() as connection:
        stations.put_stations(
            connection,
            [stations.Station(d, ADCODE, ADCODE, "001", f"探 {d}", hours="24/7", capacity=8) for d in doors],
        )
        registry.put_devices(
            connection, [registry.Device(DeviceId(d, "door_lock", 1), edge_box(d)) for d in doors]
        )


@dataclass
class Probe:
    """Forces one door after the other, and watches the table of alerts as anybody might."""

    port: int
    password: str
    database: Database
    doors: list[str]
    every_s: float = 1.0
    delays_ms: list[float] = field(default_factory=list)
    missed: int = 0

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._ended = threading.Event()
        self._loop = MqttLoop("bench-probe")
        self._loop.start()
        boot = secrets.token_hex(4)
        self._boot = boot
        options = ConnectionOptions(
            label="bench probe", host="127.0.0.1", port=self.port, client_id=f"bench-probe-{boot}",
            username="bench", password=self.password,
        )  # fmt: skip
        self._link = Connection(options, self._loop)
        self._link.start()
        self._thread = threading.Thread(target=self._run, name="bench-probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the door in hand."""
        self._ended.set()
        self._thread.join(GIVEN_UP_S + 5)
        self._link.stop()
        self._loop.stop()

    def _run(self) -> None:
        for door in self.doors:
            began_s = time.perf_counter()
            if self._ended.is_set():
                return
            if self._link.ready:
                self._force(door)
            self._ended.wait(max(0.0, self.every_s - (time.perf_counter() - began_s)))

    def _force(self, door: str) -> None:
        now_ms = WallClock().now_ms()
        body = {
            "v": 1, "ts": now_ms, "boot": self._boot, "seq": 0, "low": 0,
            "bolt": "locked", "leaf": "open", "mode": "normal", "forced": True,
        }  # fmt: skip
        began_s = time.perf_counter()
        topic = topics.telemetry(ADCODE, DeviceId(door, "door_lock", 1))
        self._link.publish(topic, json.dumps(body).encode(), 1)
        wanted = sa.select(alert.c.id).where(alert.c.station == door, alert.c.code == "door_forced")
        while time.perf_counter() - began_s < GIVEN_UP_S:
            with self.database.read() as connection:
                if connection.execute(wanted).first() is not None:
                    self.delays_ms.append((time.perf_counter() - began_s) * 1000)
                    return
            later = time.perf_counter() - began_s > LATER_S
            time.sleep(LOOK_LATER_EVERY_S if later else LOOK_EVERY_S)
        self.missed += 1
