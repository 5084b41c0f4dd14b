"""What has arrived and waits to be decided, bounded, and free of the broker's repetitions."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from transport.publishes import Publish


class Incoming(NamedTuple):
    """One message: which connection brought it, its id there (0 for QoS 0), and when it came."""

    generation: int
    mid: int
    topic: str
    payload: bytes
    received_ms: int


class Inbox:
    """Filled and acknowledged in the loop's thread, emptied by one other thread.

    A message is held from its arrival until its acknowledgement is written. The broker sends a held one
    again after its ack_wait, with the same id and marked as a repetition: that one is dropped. A held id
    that comes without the mark is a new message, which only a broker that forgot us would send.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[Incoming] = deque()
        self._held: set[int] = set()
        self._missed: set[int] = set()
        self.hinted = False
        """Something at QoS 0 has come since the last `take`: somebody wants something now."""
        self.accepted = 0
        self.repeated = 0
        self.refused_full = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many messages of the present connection are delivered and not acknowledged."""
        return len(self._held)

    @property
    def missed(self) -> int:
        """How many the broker still has to send again because there was no room."""
        return len(self._missed)

    def offer(self, generation: int, publishes: Sequence[Publish], received_ms: int) -> None:
        """Take what is not held already and finds room; what finds none is counted, not acknowledged."""
        held, waiting = self._held, self._waiting
        room = self._size - len(waiting)
        for mid, repetition, topic, payload in publishes:
            if repetition and mid in held:
                self.repeated += 1
                continue
            if room <= 0:
                self.refused_full += 1
                if mid:
                    self._missed.add(mid)
                continue
            if mid:
                held.add(mid)
                if self._missed:
                    self._missed.discard(mid)
            else:
                self.hinted = True
            room -= 1
            self.accepted += 1
            waiting.append(Incoming(generation, mid, topic, payload, received_ms))

    def take(self, limit: int) -> list[Incoming]:
        """The oldest ones, at most `limit`, without waiting."""
        waiting = self._waiting
        self.hinted = False
        return [waiting.popleft() for _ in range(min(limit, len(waiting)))]

    def release(self, mids: Sequence[int]) -> None:
        """Their acknowledgements are written: the broker may use these ids again."""
        self._held.difference_update(mids)

    def begin_connection(self) -> None:
        """Ids of an older connection mean nothing on this one."""
        self._held.clear()
        self._missed.clear()
