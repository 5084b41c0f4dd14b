"""Promised messages, held a while longer in case the hub comes back with another store."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from device_sim.buffer import Held, LaneBuffer


class Kept:
    """Promised messages, forgotten from the lowest number on, so that `low` can rise."""

    def __init__(self) -> None:
        self._messages: dict[int, tuple[float, LaneBuffer, Held]] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Held, lane: LaneBuffer, monotonic_s: float) -> None:
        """Keep a message that was promised just now."""
        self._messages[message.seq] = (monotonic_s, lane, message)
        heapq.heappush(self._order, message.seq)

    def lowest(self, otherwise: int) -> int:
        """The lowest number that is kept, or `otherwise` if that is lower or nothing is kept."""
        return min(otherwise, self._order[0]) if self._order else otherwise

    def forget_lowest(self) -> None:
        """Make room for one."""
        del self._messages[heapq.heappop(self._order)]

    def forget_before(self, monotonic_s: float) -> None:
        """Forget, from the lowest on, what was promised before this moment."""
        while self._order and self._messages[self._order[0]][0] <= monotonic_s:
            self.forget_lowest()

    def take_all(self) -> Iterator[tuple[LaneBuffer, Held]]:
        """Give everything back."""
        messages, self._messages, self._order = self._messages, {}, []
        for _, lane, message in messages.values():
            yield lane, message
