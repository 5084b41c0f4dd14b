"""People who came in and will want water: some of them, each after a while, one after the other."""

from __future__ import annotations

import heapq
import random

from device_sim.room import Place

THIRSTY, THIRSTY_IN_SUMMER = 0.60, 0.75
LITRES = (0.5, 0.5, 0.6, 0.6, 0.6, 0.75, 0.9, 0.9, 0.6, 0.6, 0.5, 0.5)
"""What one who drinks takes, month by month."""
SUMMER = (6, 7, 8)
AFTER_MS = (15_000, 90_000)
WAIT_MS = 20_000


class Thirst:
    """Watches who enters the room."""

    def __init__(self, rng: random.Random, place: Place) -> None:
        self._rng, self._place = rng, place
        self._seen_in = place.room.in_total
        self._due_ms: list[int] = []

    @property
    def someone_came(self) -> bool:
        """True when people entered of whom `come_in` has not heard."""
        return self._seen_in != self._place.room.in_total

    def next_ms(self) -> int | None:
        """When the next one wants to draw; None when nobody does."""
        return self._due_ms[0] if self._due_ms else None

    def come_in(self, now_ms: int) -> None:
        """Of those who came in since, some will be thirsty."""
        share = THIRSTY_IN_SUMMER if self._place.world.moment(now_ms).month in SUMMER else THIRSTY
        for _ in range(max(0, self._place.room.in_total - self._seen_in)):
            if self._rng.random() < share:
                heapq.heappush(self._due_ms, now_ms + self._rng.randrange(*AFTER_MS))
        self._seen_in = self._place.room.in_total

    def turn(self, now_ms: int, busy: bool) -> bool:
        """True when one steps up to the machine; while it is `busy` the first one waits."""
        if not self._due_ms or self._due_ms[0] > now_ms:
            return False
        if busy:
            heapq.heapreplace(self._due_ms, now_ms + WAIT_MS)
            return False
        heapq.heappop(self._due_ms)
        return True

    def litres(self, now_ms: int) -> float:
        """What this one takes."""
        world = self._place.world
        usual = LITRES[world.moment(now_ms).month - 1]
        return usual * world.weather.water * self._rng.uniform(0.6, 1.4)
