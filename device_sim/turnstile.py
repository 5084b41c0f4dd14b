"""How fast the stations of one process may connect: a broker that comes back shall not be trampled."""

from __future__ import annotations

import threading
from time import perf_counter


class Turnstile:
    """Lets callers through one after the other, `per_s` in a second; asked before each attempt to connect."""

    def __init__(self, per_s: float) -> None:
        self._apart_s = 1.0 / per_s
        self._next_s = 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __call__(self) -> bool:
        """Wait for one's turn, in a thread that may block; False when nobody shall connect any more."""
        with self._lock:
            at_s = max(self._next_s, perf_counter())
            self._next_s = at_s + self._apart_s
        return not self._closed.wait(max(0.0, at_s - perf_counter()))

    def close(self) -> None:
        """Let whoever waits go away."""
        self._closed.set()
