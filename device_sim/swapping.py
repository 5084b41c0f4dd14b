"""A rider at a cabinet: the old battery goes into the empty slot, a full one comes out of another."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

from device_sim.battery_slot import BatterySlot
from device_sim.room import Place


class Swapping:
    """One swap at a time, by the curve of the day. `next_ms` is when it goes on, or the next rider comes."""

    def __init__(
        self, rng: random.Random, place: Place, now_ms: int, battery: Callable[[], tuple[str, float]]
    ) -> None:
        self._rng, self._place = rng, place
        self._battery = battery
        self._slots: tuple[BatterySlot, BatterySlot] | None = None
        self.status = "idle"
        self.next_ms = self._next_rider(now_ms)

    def go_on(
        self, now_ms: int, slots: Collection[BatterySlot], air_c: float, works: bool
    ) -> Mapping[str, Any] | None:
        """Put the old one in (15 s or so), take the full one out (10 s or so); the event when it is done.

        Nothing happens without an empty and a full slot that may be used, or unless the cabinet `works`.
        """
        if self._slots is None:
            usable = [slot for slot in slots if slot.enabled and not slot.hot and not slot.silent]
            empty = next((slot for slot in usable if slot.battery is None), None)
            fullest = max((slot for slot in usable if slot.full), key=lambda slot: slot.soc_pct, default=None)
            if empty is None or fullest is None or not works:
                self.next_ms = self._next_rider(now_ms)
                return None
            self._slots, self.status, empty.door = (empty, fullest), "returning", "open"
            self.next_ms = now_ms + self._rng.randrange(10_000, 25_000)
            return None
        empty, fullest = self._slots
        if self.status == "returning":
            empty.door, fullest.door, self.status = "closed", "open", "taking"
            rest_pct = self._rng.uniform(8, 45)
            name, health = self._battery()
            empty.put_in(name, rest_pct, health, air_c + 6)
            self.next_ms = now_ms + self._rng.randrange(6_000, 15_000)
            return None
        fullest.door, self.status, self._slots = "closed", "idle", None
        fullest.take_out(air_c + 2)
        order = f"{self._rng.getrandbits(48):012x}"
        self.next_ms = self._next_rider(now_ms)
        return {"type": "swapped", "slot_in": empty.n, "slot_out": fullest.n, "order": order}

    def _next_rider(self, now_ms: int) -> int:
        place = self._place
        return place.world.next_after(
            now_ms, self._rng, lambda at_ms: place.world.swaps_per_hour(at_ms, place.swaps_per_day)
        )
