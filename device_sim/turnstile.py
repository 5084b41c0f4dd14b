"""How fast the stations of one process may connect: a broker that comes back shall not be trampled."""

from __future__ import annotations

import threading
from collections import deque
from time import perf_counter

AT_ONCE = 25
GIVEN_UP_S = 10.0
"""After so long without an answer a connection is tried anew, and its place is free."""


class Turnstile:
    """Lets callers through one after the other; asked before each attempt to connect.

    At most `per_s` in a second, and at most `at_once` whose connection does not stand yet: a broker that
    is slow to answer is asked less often, instead of being asked again for what it is still doing.
    """

    def __init__(self, per_s: float, at_once: int = AT_ONCE) -> None:
        self._apart_s = 1.0 / per_s
        self._at_once = at_once
        self._next_s = 0.0
        self._under_way: deque[float] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def __call__(self) -> bool:
        """Wait for one's turn, in a thread that may block; False when nobody shall connect any more."""
        with self._changed:
            while not self._closed:
                now_s = perf_counter()
                while self._under_way and self._under_way[0] <= now_s - GIVEN_UP_S:
                    self._under_way.popleft()
                wait_s = self._next_s - now_s
                if len(self._under_way) >= self._at_once:
                    wait_s = max(wait_s, self._under_way[0] + GIVEN_UP_S - now_s)
                if wait_s <= 0:
                    self._next_s = now_s + self._apart_s
                    self._under_way.append(now_s)
                    return True
                self._changed.wait(wait_s)
            return False

    def stands(self) -> None:
        """A connection stands: its place is free for the next one."""
        with self._changed:
            if self._under_way:
                self._under_way.popleft()
            self._changed.notify()

    def close(self) -> None:
        """Let whoever waits go away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
