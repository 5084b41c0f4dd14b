"""Stations that talk all the time over real connections, and remember what the hub has promised them."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Iterable
from typing import Any

from device_sim.edge_box import BoxSettings, EdgeBox, Sending
from device_sim.mischief import Mischief
from device_sim.promise import read_promise
from domain import topics
from domain.ids import DeviceId
from runtime.clock import WallClock
from tests.gateway.house import ADCODE, House, station_id
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

TICK_S = 0.01
LONGEST_BACKOFF_S = 2.0
Heard = tuple[str, str, int]
"""Station, boot, seq."""


class TalkingStation:
    """Door, counter and cabinet behind one edge box. Its lock guards everything; callbacks come from the loop."""

    def __init__(self, house: House, loop: MqttLoop, number: int, rng: random.Random, per_s: float) -> None:
        self.station = station_id(number)
        self.boot = secrets.token_hex(6)
        self.box = EdgeBox(ADCODE, self.station, self.boot, BoxSettings(in_flight=50))
        self.mischief = Mischief(random.Random(rng.random()))
        self.promised: set[int] = set()
        self.said = 0
        self.sendings = 0
        self._rng = rng
        self._per_s = per_s
        self._next_s = 0.0
        self._lock = threading.Lock()
        self._clock = WallClock()
        self._people = 0
        self._door_open = False
        self._forced = False
        self._hot_slot: int | None = None
        self._link = StationLink(
            loop,
            StationOptions(
                host="127.0.0.1",
                port=house.mqtt_port,
                adcode=ADCODE,
                station=self.station,
                client_id=f"box-{self.station}-{self.boot}",
                username=self.station,
                password=house.secrets.issue_station(ADCODE, self.station, self._clock.now_ms()),
                will=self.box.will,
                longest_backoff_s=LONGEST_BACKOFF_S,
            ),
            self._heard,
            self._ready,
            self._lost,
        )

    def connect(self) -> None:
        self._link.connect()

    @property
    def held(self) -> int:
        """What the hub has not promised yet, and what is still on its way out."""
        with self._lock:
            return self.box.held

    def pry_open(self) -> None:
        """Somebody forces the door."""
        with self._lock:
            self._forced = self._door_open = True
            self._say("door_lock", "event", {"type": "forced", "bolt": "locked", "leaf": "open"}, safety=True)

    def overheat(self) -> None:
        """A battery runs away, and stays hot."""
        with self._lock:
            self._hot_slot = 1 + self._rng.randrange(8)
            self._report_cabinet()

    def tick(self, talking: bool) -> None:
        """Say what is due, and send what may be sent."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            while talking and self._next_s <= now_s:
                self._next_s = max(self._next_s, now_s - 1.0) + self._rng.expovariate(self._per_s)
                self._something()
            self._send(now_s)

    def _something(self) -> None:
        what = self._rng.random()
        if what < 0.45:
            self._people = max(0, self._people + self._rng.choice((-1, 0, 0, 1)))
            body: dict[str, Any] = {"count_raw": self._people, "presence": self._people > 0}
            self._say("occupancy_sensor", "telemetry", body)
        elif what < 0.65:
            self._report_cabinet()
        elif what < 0.8:
            leaf = "open" if self._door_open else "closed"
            state = {"bolt": "locked", "leaf": leaf, "mode": "normal", "forced": self._forced}
            self._say("door_lock", "telemetry", state)
        elif what < 0.9:
            swap = {
                "type": "swapped",
                "slot_in": self._rng.randint(1, 8),
                "slot_out": self._rng.randint(1, 8),
            }
            self._say("swap_cabinet", "event", swap)
        else:
            self._say("door_lock", "event", {"type": "inside_button"})

    def _report_cabinet(self) -> None:
        slots = [
            {"n": n, "state": "charging", "temp_c": 82.0 if n == self._hot_slot else 25.0, "charger_on": True}
            for n in {self._rng.randint(1, 8), self._hot_slot or 1}
        ]
        self._say("swap_cabinet", "telemetry", {"smoke": False, "slots": slots})

    def _say(self, kind: str, leaf: str, body: dict[str, Any], *, safety: bool = False) -> None:
        garbled = None if safety or leaf != "telemetry" else self.mischief.garbled()
        device = DeviceId(self.station, kind, 1)
        self.box.say(device, leaf, body, self._clock.now_ms(), safety=safety, garbled=garbled)
        self.said += 1

    def _send(self, now_s: float) -> None:
        box = self.box
        if not box.connected:
            return
        sendings = box.take(now_s, self._clock.now_ms())
        passed, vanished = self.mischief.pass_on(sendings, now_s)
        for _ in range(vanished):
            box.confirmed(box.conn)
        for sending, counted in passed:
            self._publish(sending, box.conn, counted)

    def _publish(self, sending: Sending, conn: int, counted: bool) -> None:
        def confirmed(reached: bool) -> None:
            if reached and counted:
                with self._lock:
                    self.box.confirmed(conn)

        sent = self._link.conn == conn and self._link.publish(
            sending.topic, sending.payload, 1, on_confirmed=confirmed
        )
        if sent and sending.seq is not None:
            self.sendings += 1
        if not sent and counted:
            self.box.confirmed(conn)

    def _heard(self, topic: str, payload: bytes) -> None:
        if topics.parse(topic).leaf != "ack":
            return
        with self._lock:
            self._note_promise(payload)
            self.box.heard_ack(payload, self._clock.monotonic_s())

    def _note_promise(self, payload: bytes) -> None:
        """As the contract says: an ack is a promise for what is not below our own `low`."""
        promise = read_promise(payload)
        if promise.boot != self.boot:
            return
        low, next_seq = self.box.low, self.said
        self.promised.update(range(low, min(promise.upto, next_seq - 1) + 1))
        for first, last in promise.also:
            assert last < next_seq, f"{self.station} is promised {last} and has said {next_seq} messages"
            self.promised.update(range(max(low, first), last + 1))

    def _ready(self) -> None:
        with self._lock:
            self.box.is_connected(self._link.conn, self._clock.monotonic_s())

    def _lost(self) -> None:
        with self._lock:
            self.box.is_lost(self._link.conn)
            self.mischief.forget()

    def leave(self) -> None:
        self._link.disconnect()


class Town:
    """All stations, ticked by one thread."""

    def __init__(self, house: House, count: int, seed: int, per_s: float) -> None:
        self._loop = MqttLoop("town")
        self._talking = True
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self.stations = [
            TalkingStation(house, self._loop, number, random.Random(f"{seed}/{number}"), per_s)
            for number in range(1, count + 1)
        ]
        self._thread = threading.Thread(target=self._run, name="town", daemon=True)

    def __enter__(self) -> Town:
        self._loop.start()
        for station in self.stations:
            station.connect()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)
        for station in self.stations:
            station.leave()
        self._loop.stop(5)

    def fall_silent(self) -> None:
        """Say nothing new; what is held is still sent until it is promised."""
        self._talking = False

    @property
    def held(self) -> int:
        if self._failure is not None:
            raise self._failure
        return sum(station.held for station in self.stations)

    @property
    def said(self) -> int:
        return sum(station.said for station in self.stations)

    @property
    def sendings(self) -> int:
        return sum(station.sendings for station in self.stations)

    @property
    def dropped(self) -> int:
        return sum(station.box.dropped for station in self.stations)

    @property
    def callback_failures(self) -> int:
        return self._loop.failures

    def promised(self) -> Iterable[Heard]:
        """Every number that was ever promised."""
        for station in self.stations:
            for seq in station.promised:
                yield station.station, station.boot, seq

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                for station in self.stations:
                    station.tick(self._talking)
                time.sleep(TICK_S)
        except BaseException as failure:
            self._failure = failure
            raise
