"""Both clocks of a simulated week, moved by whoever drives it."""

from __future__ import annotations


class MovedClock:
    """Satisfies `domain.clock.Clock`; the two never part."""

    __slots__ = ("_began_ms", "_elapsed_s")

    def __init__(self, began_ms: int) -> None:
        self._began_ms = began_ms
        self._elapsed_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._elapsed_s

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return self._began_ms + round(self._elapsed_s * 1000)

    def monotonic_s(self) -> float:
        """Seconds; they begin high, as those of a machine that has run for a while."""
        return 1_000.0 + self._elapsed_s

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._elapsed_s += seconds
