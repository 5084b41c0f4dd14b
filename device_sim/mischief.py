"""What a bad line or a broken box does to messages on their way out: twice, late, never, as rubbish."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from device_sim.edge_box import Sending

RUBBISH = b"\xff\xfe not a message "


class Passed(NamedTuple):
    """One publish; only a `counted` one is waited for."""

    sending: Sending
    counted: bool


@dataclass(slots=True)
class Mischief:
    """Zero and False are good behaviour. The link's own messages are only delayed or doubled."""

    rng: random.Random
    duplicates: bool = False
    reorder_within_s: float = 0.0
    lose_every: int = 0
    garble_every: int = 0
    lost: int = 0
    _said: int = 0
    _sent: int = 0
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _delayed: list[tuple[float, int, Sending]] = field(default_factory=list)

    def set(self, fault: str, number: Mapping[str, float]) -> bool:
        """Begin a fault of the line, or end it when no numbers are given; False for any other fault."""
        if fault == "duplicates":
            self.duplicates = bool(number)
        elif fault == "reordering":
            self.reorder_within_s = number.get("seconds", 0.0)
        elif fault == "garbage":
            self.garble_every = int(number.get("every", 0))
        elif fault == "lost":
            self.lose_every = int(number.get("every", 0))
        else:
            return False
        return True

    def garbled(self) -> bytes | None:
        """Bytes to send in place of the next message, when it is its turn."""
        if not self.garble_every:
            return None
        self._said += 1
        return RUBBISH + str(self._said).encode() if self._said % self.garble_every == 0 else None

    def next_s(self) -> float:
        """When a delayed message comes out."""
        return self._delayed[0][0] if self._delayed else math.inf

    def forget(self) -> None:
        """What was under way when the connection broke never arrives."""
        self._delayed.clear()

    def pass_on(self, sendings: list[Sending], monotonic_s: float) -> tuple[list[Passed], int]:
        """What really goes out now, and how many publishes vanished without anybody noticing."""
        vanished = 0
        ready: list[Sending] = []
        for sending in sendings:
            if self._is_lost(sending):
                vanished += 1
            elif self.reorder_within_s:
                due_s = monotonic_s + self.rng.uniform(0, self.reorder_within_s)
                heapq.heappush(self._delayed, (due_s, next(self._order), sending))
            else:
                ready.append(sending)
        while self._delayed and self._delayed[0][0] <= monotonic_s:
            ready.append(heapq.heappop(self._delayed)[2])
        passed = []
        for sending in ready:
            passed.append(Passed(sending, True))
            if self.duplicates:
                passed.append(Passed(sending, False))
        self.lost += vanished
        return passed, vanished

    def _is_lost(self, sending: Sending) -> bool:
        if not self.lose_every or sending.seq is None:
            return False
        self._sent += 1
        return self._sent % self.lose_every == 0
