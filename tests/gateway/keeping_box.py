"""A station whose edge box keeps what it said until the hub promises, over a real connection."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from device_sim.edge_box import BoxSettings, EdgeBox, Sending
from device_sim.mischief import Mischief
from device_sim.promise import read_promise
from domain import topics
from domain.ids import DeviceId
from tests.gateway.house import ADCODE, House, station_id
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

TICK_S = 0.005
LONGEST_BACKOFF_S = 2.0


class KeepingBox:
    """Behind one lock; callbacks come from the loop's thread, `tick` from whoever drives it.

    `loses(sending)` may swallow a publish on its way. `promised` holds what the hub has promised as the
    contract says: an ack is a promise for what is not below the box's own `low`. `earlier` holds the
    boots before the present one: their names, what was promised of them, how many messages they said.
    """

    def __init__(
        self,
        house: House,
        loop: MqttLoop,
        number: int = 1,
        settings: BoxSettings | None = None,
        seed: int = 1,
    ) -> None:
        self.station = station_id(number)
        self._settings = settings or BoxSettings(in_flight=50)
        self.box = self._new_box()
        self.mischief = Mischief(random.Random(f"{seed}/{number}/mischief"))
        self.loses: Callable[[Sending], bool] = lambda _sending: False
        self.promised: set[int] = set()
        self.said = 0
        self.earlier: list[tuple[str, set[int], int]] = []
        self.sendings = 0
        self.wrong: list[str] = []
        self.lock = threading.RLock()
        self.clock = house.clock
        self.link = StationLink(
            loop,
            StationOptions(
                host="127.0.0.1",
                port=house.mqtt_port,
                adcode=ADCODE,
                station=self.station,
                client_id=f"box-{self.station}-{secrets.token_hex(6)}",
                username=self.station,
                password=house.passwords[self.station],
                tls=house.place.tls,
                will=self._will,
                longest_backoff_s=LONGEST_BACKOFF_S,
            ),
            self._heard,
            self._ready,
            self._lost,
        )

    @property
    def boot(self) -> str:
        return self.box.boot

    def lose_power(self) -> None:
        """Everything that was held is gone; it starts anew with another boot."""
        with self.lock:
            self.earlier.append((self.boot, self.promised, self.said))
            self.promised, self.said = set(), 0
            self.mischief.forget()
            self.box = self._new_box()
            self.link.disconnect(abruptly=True)
            self.link.connect()

    @property
    def held(self) -> int:
        """What the hub has not promised yet."""
        with self.lock:
            return self.box.held

    def say(
        self,
        kind: str,
        leaf: str,
        body: dict[str, Any],
        *,
        safety: bool = False,
        garbled: bytes | None = None,
        ts_ms: int | None = None,
    ) -> int:
        """Number a message and keep it; returns its seq."""
        with self.lock:
            at_ms = self.clock.now_ms() if ts_ms is None else ts_ms
            device = DeviceId(self.station, kind, 1)
            self.said += 1
            return self.box.say(device, leaf, body, at_ms, safety=safety, garbled=garbled)

    def tick(self) -> None:
        """Send what may be sent."""
        with self.lock:
            assert not self.wrong, self.wrong
            box, now_s = self.box, self.clock.monotonic_s()
            if not box.connected:
                return
            passed, vanished = self.mischief.pass_on(box.take(now_s, self.clock.now_ms()), now_s)
            for _ in range(vanished):
                box.confirmed(box.conn)
            for sending, counted in passed:
                self._publish(sending, box.conn, counted)

    def _will(self, conn: int) -> tuple[str, bytes]:
        return self.box.will(conn)

    def _new_box(self) -> EdgeBox:
        return EdgeBox(ADCODE, self.station, secrets.token_hex(6), self._settings)

    def _publish(self, sending: Sending, conn: int, counted: bool) -> None:
        def confirmed(reached: bool) -> None:
            if reached and counted:
                with self.lock:
                    self.box.confirmed(conn)

        if self.loses(sending):
            confirmed(True)
            return
        sent = self.link.conn == conn and self.link.publish(
            sending.topic, sending.payload, 1, on_confirmed=confirmed
        )
        if sent and sending.seq is not None:
            self.sendings += 1
        if not sent and counted:
            self.box.confirmed(conn)

    def _heard(self, topic: str, payload: bytes) -> None:
        if topics.parse(topic).leaf == "ack":
            with self.lock:
                self._note_promise(payload)
                self.box.heard_ack(payload, self.clock.monotonic_s())

    def _note_promise(self, payload: bytes) -> None:
        promise = read_promise(payload)
        if promise.boot != self.boot:
            return
        low = self.box.low
        for first, last in ((low, promise.upto), *promise.also):
            if last >= self.said:
                self.wrong.append(f"{self.station} is promised {last} and has said {self.said} messages")
                return
            self.promised.update(range(max(low, first), last + 1))

    def _ready(self) -> None:
        with self.lock:
            self.box.is_connected(self.link.conn, self.clock.monotonic_s())

    def _lost(self) -> None:
        with self.lock:
            self.box.is_lost(self.link.conn)
            self.mischief.forget()


@contextmanager
def talking(*boxes: KeepingBox) -> Iterator[None]:
    """Connect boxes and drive them in a thread of its own; what fails there fails the test."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def drive() -> None:
        try:
            while not ended.is_set():
                for box in boxes:
                    box.tick()
                time.sleep(TICK_S)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=drive, name="boxes", daemon=True)
    for box in boxes:
        box.link.connect()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
        for box in boxes:
            box.link.disconnect()
    if failures:
        raise failures[0]
