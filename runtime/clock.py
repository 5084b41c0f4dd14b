"""The only place that may ask what time it is."""

from __future__ import annotations

import time


class WallClock:
    """The machine's own clocks; satisfies `domain.clock.Clock`."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC; may jump when someone sets the clock."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never jump; comparable only within one process."""
        return time.monotonic()
