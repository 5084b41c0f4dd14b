"""Stations that talk all the time over real connections, and remember what the hub has promised them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.gateway.house import House
from tests.gateway.keeping_box import KeepingBox, talking
from transport.loop import MqttLoop

Heard = tuple[str, str, int]
"""Station, boot, seq."""


class TalkingStation(KeepingBox):
    """Door, counter and cabinet behind one edge box; what they say follows from the seed."""

    def __init__(self, house: House, loop: MqttLoop, number: int, seed: int, per_s: float) -> None:
        super().__init__(house, loop, number, seed=seed)
        self.talks = True
        self._rng = random.Random(f"{seed}/{number}")
        self._per_s = per_s
        self._next_s = 0.0
        self._people = 0
        self._leaf = "closed"
        self._hot_slot: int | None = None

    def pry_open(self) -> None:
        """Somebody forces the door."""
        with self.lock:
            self._leaf = "open"
            self.say("door_lock", "event", {"type": "forced", "bolt": "locked", "leaf": "open"}, safety=True)

    def overheat(self) -> None:
        """A battery runs away, and stays hot."""
        with self.lock:
            self._hot_slot = 1 + self._rng.randrange(8)
            self._report_cabinet()

    def tick(self) -> None:
        """Say what is due, and send what may be sent."""
        now_s = self.clock.monotonic_s()
        with self.lock:
            while self.talks and self._next_s <= now_s:
                self._next_s = max(self._next_s, now_s - 1.0) + self._rng.expovariate(self._per_s)
                self._something()
        super().tick()

    def _something(self) -> None:
        what = self._rng.random()
        if what < 0.45:
            self._people = max(0, self._people + self._rng.choice((-1, 0, 0, 1)))
            self._report("occupancy_sensor", {"count_raw": self._people, "presence": self._people > 0})
        elif what < 0.65:
            self._report_cabinet()
        elif what < 0.8:
            forced = self._leaf == "open"
            state = {"bolt": "locked", "leaf": self._leaf, "mode": "normal", "forced": forced}
            self._report("door_lock", state)
        elif what < 0.9:
            slots = {"slot_in": self._rng.randint(1, 8), "slot_out": self._rng.randint(1, 8)}
            self.say("swap_cabinet", "event", {"type": "swapped", **slots})
        else:
            self.say("door_lock", "event", {"type": "inside_button"})

    def _report_cabinet(self) -> None:
        slots = [
            {"n": n, "state": "charging", "temp_c": 82.0 if n == self._hot_slot else 25.0, "charger_on": True}
            for n in {self._rng.randint(1, 8), self._hot_slot or 1}
        ]
        self._report("swap_cabinet", {"smoke": False, "slots": slots})

    def _report(self, kind: str, body: dict[str, Any]) -> None:
        self.say(kind, "telemetry", body, garbled=self.mischief.garbled())


class Town:
    """All stations."""

    def __init__(self, stations: list[TalkingStation]) -> None:
        self.stations = stations

    def fall_silent(self) -> None:
        """Say nothing new; what is held is still sent until it is promised."""
        for station in self.stations:
            station.talks = False

    @property
    def held(self) -> int:
        return sum(station.held for station in self.stations)

    @property
    def said(self) -> int:
        return sum(station.said + sum(said for _, _, said in station.earlier) for station in self.stations)

    @property
    def sendings(self) -> int:
        return sum(station.sendings for station in self.stations)

    @property
    def given_up(self) -> int:
        return sum(station.box.dropped for station in self.stations)

    def promised(self) -> Iterable[Heard]:
        """Every number that was ever promised."""
        for station in self.stations:
            runs = [(boot, promised) for boot, promised, _ in station.earlier]
            for boot, promised in (*runs, (station.boot, station.promised)):
                for seq in promised:
                    yield station.station, boot, seq


@contextmanager
def town(house: House, count: int, seed: int, per_s: float) -> Iterator[Town]:
    """Stations 1 to `count`, each saying `per_s` messages a second."""
    loop = MqttLoop("town")
    loop.start()
    stations = [TalkingStation(house, loop, number, seed, per_s) for number in range(1, count + 1)]
    try:
        with talking(*stations):
            yield Town(stations)
    finally:
        loop.stop(5)
