"""A lock behind a keeping box, and a person who asks for it to be opened."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from device_sim.command_desk import CommandDesk
from device_sim.edge_box import BoxSettings
from domain import topics
from domain.ids import DeviceId
from storage import commands
from storage.database import Database
from tests.gateway.house import ADCODE, House
from tests.gateway.keeping_box import KeepingBox
from tests.waiting import eventually
from transport.bus import HubBus
from transport.loop import MqttLoop

LOCK = "door_lock"


class DoorBox(KeepingBox):
    """Checks every command as a real lock must. `frozen` keeps back what comes down, as a stuck link does.

    The lock's clock shows `clock_off_ms` more than it should; its monotonic seconds are its own.
    """

    def __init__(
        self,
        house: House,
        loop: MqttLoop,
        number: int = 1,
        settings: BoxSettings | None = None,
        *,
        clock_off_ms: int = 0,
    ) -> None:
        super().__init__(house, loop, number, settings)
        key = house.secrets.commands.active
        self.device = DeviceId(self.station, LOCK, 1)
        self.frozen = False
        self.frozen_before_signed = False
        self.waiting: list[bytes] = []
        self.skipped_s = 0.0
        self.moved: list[str] = []
        self.replies: list[dict[str, Any]] = []
        self._clock_off_ms = clock_off_ms
        self._topic = topics.command(ADCODE, self.device)
        self._desk = CommandDesk(self.device, {key.kid: key.verify_key}, lambda: secrets.token_bytes(16))

    def thaw(self) -> None:
        """The link gives out everything that it kept back."""
        with self.lock:
            self.frozen = self.frozen_before_signed = False
            waiting, self.waiting = self.waiting, []
            for payload in waiting:
                self._command(payload)

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic != self._topic:
            super()._heard(topic, payload)
            return
        with self.lock:
            if self.frozen_before_signed and "signed" in json.loads(payload):
                self.frozen = True
            if self.frozen:
                self.waiting.append(payload)
            else:
                self._command(payload)

    def _command(self, payload: bytes) -> None:
        reply, command = self._desk.hear(payload, self.clock.monotonic_s() + self.skipped_s)
        if reply is not None:
            self._answer(reply)
        if command is not None:
            self.moved.append(command.id)
            self._tell("event", {"type": "unlocked", "command": command.id, "last_unlock_cause": "remote"})
            self._answer(self._desk.end(command.id, None))
            self._tell("event", {"type": "opened"})

    def _answer(self, reply: dict[str, Any]) -> None:
        self.replies.append(reply)
        self._tell("reply", reply)

    def _tell(self, leaf: str, body: dict[str, Any]) -> None:
        self.say(LOCK, leaf, body, ts_ms=self.clock.now_ms() + self._clock_off_ms)


class Person:
    """Taps "open" as the API does it: a row, then a hint."""

    def __init__(self, house: House, bus: HubBus) -> None:
        self._house = house
        self._bus = bus

    def tap(self, door: DoorBox) -> str:
        """Ask for the door; returns the command's id."""
        with self._house.database.write() as connection:
            now_ms = Database.now_ms(connection)
            id_ = commands.new_id(now_ms)
            assert commands.create(
                connection,
                commands.NewCommand(
                    id=id_,
                    device=door.device,
                    adcode=ADCODE,
                    action="unlock",
                    args={"open_s": 5},
                    because="access:test",
                    must_hold=False,
                    requested_ms=now_ms,
                    actor="test",
                ),
            )
        assert self._bus.publish(topics.command_hint(ADCODE), json.dumps({"command": id_}).encode())
        return id_

    def opens(self, door: DoorBox) -> float:
        """Tap, and wait until the door is open; returns the seconds that it took."""
        tapped_s = time.monotonic()
        id_ = self.tap(door)
        eventually(lambda: self.sees(id_) == ("opened", None), 10, saying="the door opens")
        return time.monotonic() - tapped_s

    def sees(self, id_: str) -> tuple[str, str | None]:
        """State and reason of a command."""
        [(state, reason)] = self._house.rows("SELECT state, reason FROM command WHERE id=:id", id=id_)
        return state, reason


@contextmanager
def a_person(house: House) -> Iterator[Person]:
    """Somebody who is connected as the API is."""
    bus = HubBus(
        "127.0.0.1",
        house.place.hub_port,
        f"api-{secrets.token_hex(8)}",
        username="api",
        password=house.secrets.broker_passwords["api"],
        on_hint=lambda _topic, _payload: None,
        tls=house.place.tls,
    )
    bus.start()
    try:
        eventually(lambda: bus.ready, 10, saying="the hints are connected")
        yield Person(house, bus)
    finally:
        bus.stop()
