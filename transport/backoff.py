"""How long to wait before the next attempt: doubling, with full jitter, so that many do not come at once."""

from __future__ import annotations

import random

FIRST_WAIT_S = 0.2


class Backoff:
    """Counts failures in a row and says how long to wait after each."""

    __slots__ = ("_failures", "_longest_s", "_random")

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._failures = 0
        self._random = random.Random()

    def next_wait_s(self) -> float:
        """Anything between nothing and the current limit, which doubles up to the longest."""
        limit_s = min(self._longest_s, FIRST_WAIT_S * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._random.uniform(0.0, limit_s)

    def reset(self) -> None:
        """Start again with the shortest wait."""
        self._failures = 0
