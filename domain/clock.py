"""The two clocks that decisions may be given: wall time for facts, monotonic time for deadlines."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Handed in by the composition root; nothing pure ever reads the time by itself."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump; comparable only within one process."""
        ...
