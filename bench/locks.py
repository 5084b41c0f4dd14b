"""Doors whose locks answer at once, so that all waiting is the hub's."""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from signing.command import parse_command_payload, to_base64url
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions

ADCODE = "331002"


@dataclass(slots=True)
class Moments:
    """When each thing of one opening happened, in seconds of this process."""

    posted: float = 0.0
    asked: float = 0.0
    nonce: float = 0.0
    signed: float = 0.0
    done: float = 0.0
    told: float = 0.0


@dataclass
class Locks:
    """All doors over one connection; `moments` by door."""

    port: int
    password: str
    stations: list[str]
    moments: dict[str, Moments] = field(default_factory=dict)

    def start(self) -> None:
        """Connect, say that everything is there, and wait until the broker listens to us."""
        self._seq = dict.fromkeys(self.stations, 0)
        self._boot = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._loop = MqttLoop("bench-locks")
        self._loop.start()
        options = ConnectionOptions(
            label="bench locks", host="127.0.0.1", port=self.port, client_id=f"bench-locks-{self._boot}",
            username="bench", password=self.password,
            subscriptions=tuple((topics.down_filter(ADCODE, station), 0) for station in self.stations),
        )  # fmt: skip
        self._link = Connection(options, self._loop, self._heard, on_ready=lambda _: self._ready.set())
        self._link.start()
        if not self._ready.wait(20):
            raise ConnectionError("the locks cannot reach the broker")

    def report(self) -> None:
        """Every door is there, shut and locked."""
        now_ms = WallClock().now_ms()
        for station in self.stations:
            link = {"v": 1, "online": True, "boot": self._boot, "conn": 1, "ts": now_ms}
            self._link.publish(topics.link(ADCODE, edge_box(station)), json.dumps(link).encode(), 1)
            self._say(topics.telemetry, station, {"bolt": "locked", "leaf": "closed", "mode": "normal"})

    def stop(self) -> None:
        """Hang up."""
        self._link.stop()
        self._loop.stop(5)

    def _heard(self, _generation: int, _mid: int, _dup: bool, topic: str, payload: bytes) -> None:
        address = topics.parse(topic)
        if address.leaf != "command":
            return
        station, now_s = address.device.station, time.perf_counter()
        with self._lock:
            moments = self.moments.setdefault(station, Moments())
            command = parse_command_payload(payload)
            if not hasattr(command, "message"):
                if not moments.asked:
                    moments.asked = now_s
                    moments.nonce = time.perf_counter()
                nonce = to_base64url(station.encode().ljust(16, b"n"))
                self._say(topics.reply, station, {"id": command.id, "state": "nonce", "nonce": nonce})
            elif not moments.signed:
                moments.signed = now_s
                self._say(topics.reply, station, {"id": command.id, "state": "accepted"})
                moments.done = time.perf_counter()
                self._say(topics.reply, station, {"id": command.id, "state": "done"})

    def _say(self, topic: Any, station: str, content: dict[str, Any]) -> None:
        seq = self._seq[station]
        self._seq[station] = seq + 1
        body = {"v": 1, "ts": WallClock().now_ms(), "boot": self._boot, "seq": seq, "low": 0, **content}
        self._link.publish(topic(ADCODE, DeviceId(station, "door_lock", 1)), json.dumps(body).encode(), 1)
