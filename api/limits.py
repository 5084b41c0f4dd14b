"""How often something may be done: a bucket of tokens for each who, in this process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from domain.clock import Clock

MOST_BUCKETS: Final = 50_000


class RateLimit:
    """`burst` at once, and then `per_minute`; whoever was not seen for long is forgotten.

    Each process counts for itself: n of them let n times as many pass. What must hold for all of them
    together, one opening a door at a time, is the database's.
    """

    def __init__(self, clock: Clock, *, per_minute: int, burst: int | None = None) -> None:
        self._clock = clock
        self._per_s = per_minute / 60
        self._burst = float(burst or per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, who: str) -> float:
        """Take one: 0 when it was there, else the seconds until the next one, and nothing is taken."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            left, at_s = self._buckets.pop(who, (self._burst, now_s))
            left = min(self._burst, left + (now_s - at_s) * self._per_s)
            allowed = left >= 1
            self._buckets[who] = (left - 1 if allowed else left, now_s)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
            return 0.0 if allowed else (1 - left) / self._per_s
