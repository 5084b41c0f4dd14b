"""What one lane of an edge box holds until the hub has promised to keep it."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, deque
from dataclasses import dataclass

from domain.envelope import VERSION

FIRST_TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 300.0
PATIENCE = 2
"""So many times as long as promises usually take nobody asks again."""


class Stage(enum.Enum):
    """Where a held message is on its way."""

    QUEUED = "queued"
    SENT = "sent"
    MISSING = "missing"


@dataclass(slots=True)
class Held:
    """One message. `tail` is its JSON from behind `low` on; `raw` replaces it all when it was garbled."""

    seq: int
    topic: str
    ts_ms: int | None
    tail: bytes
    safety: bool
    raw: bytes | None = None
    stage: Stage = Stage.QUEUED
    sent_s: float = 0.0
    order: int = 0
    sends: int = 0
    again: int = 0
    missed: bool = False

    def payload(self, boot: str, low: int) -> bytes:
        """Its bytes as they are sent now; `low` is the oldest message that the box still holds."""
        if self.raw is not None:
            return self.raw
        ts = "null" if self.ts_ms is None else self.ts_ms
        return f'{{"v":{VERSION},"ts":{ts},"boot":"{boot}","seq":{self.seq},"low":{low}'.encode() + self.tail


class LaneBuffer:
    """Messages of one lane by `seq`; every operation touches only what it changes.

    A message is missing when one of this lane that was *sent after it* is acknowledged: a hub that is
    merely slow never makes messages missing.
    """

    __slots__ = (
        "_acked_s", "_first_timeout_s", "_missing", "_newest_acked", "_queue", "_sent", "held", "timeout_s"
    )  # fmt: skip

    def __init__(self, first_timeout_s: float = FIRST_TIMEOUT_S) -> None:
        self.held: OrderedDict[int, Held] = OrderedDict()
        self._queue: deque[int] = deque()
        self._sent: OrderedDict[int, Held] = OrderedDict()
        self._missing: OrderedDict[int, Held] = OrderedDict()
        self._newest_acked = -1
        self._acked_s = -math.inf
        self._first_timeout_s = self.timeout_s = first_timeout_s

    def add(self, message: Held) -> None:
        """Hold a new message and queue it for sending."""
        self.held[message.seq] = message
        self._queue.append(message.seq)

    def remove(self, seq: int) -> Held | None:
        """Forget a message."""
        message = self.held.pop(seq, None)
        if message is not None:
            self._sent.pop(seq, None)
            self._missing.pop(seq, None)
        return message

    def oldest(self) -> Held | None:
        """The held message with the lowest `seq`."""
        return next(iter(self.held.values()), None)

    def has_queued(self) -> bool:
        """True when something waits for its turn."""
        queue = self._queue
        while queue:
            message = self.held.get(queue[0])
            if message is not None and message.stage is Stage.QUEUED:
                return True
            queue.popleft()
        return False

    def next_to_send(self) -> Held:
        """Take the next queued message; call only after `has_queued`."""
        return self.held[self._queue.popleft()]

    def note_sent(self, message: Held, monotonic_s: float, order: int) -> None:
        """The message has gone out; `order` counts sendings over the whole box."""
        message.sent_s, message.order = monotonic_s, order
        message.sends += 1
        message.stage = Stage.MISSING if message.missed else Stage.SENT
        (self._missing if message.missed else self._sent)[message.seq] = message

    def times_out_s(self, message: Held) -> float:
        """When a message that was sent is sent again: so long after anything was acknowledged. A hub that is
        slow and goes on is not told everything twice."""
        return max(message.sent_s, self._acked_s) + self.timeout_s

    def note_acked(self, message: Held, monotonic_s: float, usual_s: float) -> None:
        """A message was promised and removed: what was sent before it and is still here, is missing.

        `usual_s` is how long promises take. One for a message that was sent several times says nothing of
        that: until another comes, the lane stays as patient as it has become.
        """
        self._acked_s = monotonic_s
        if message.sends == 1:
            self.timeout_s = min(LONGEST_TIMEOUT_S, max(self._first_timeout_s, PATIENCE * usual_s))
        self._newest_acked = max(self._newest_acked, message.order)

    def find_missing(self) -> None:
        """Move what was overtaken to the missing ones; once after each ack."""
        while self._sent:
            first = next(iter(self._sent.values()))
            if first.order >= self._newest_acked:
                return
            del self._sent[first.seq]
            first.missed = True
            first.stage = Stage.MISSING
            self._missing[first.seq] = first

    def first_missing(self) -> Held | None:
        """The missing message that was sent longest ago."""
        return next(iter(self._missing.values()), None)

    def queue_first(self, message: Held) -> None:
        """Send a message again, before new ones."""
        self._sent.pop(message.seq, None)
        self._missing.pop(message.seq, None)
        message.stage = Stage.QUEUED
        self._queue.appendleft(message.seq)

    def queue_all(self) -> None:
        """Send everything held again, once, oldest first: after a reconnect, or for a new store."""
        self.held = OrderedDict(sorted(self.held.items()))
        self._queue = deque(self.held)
        self._sent.clear()
        self._missing.clear()
        self._newest_acked = -1
        self.timeout_s = self._first_timeout_s
        for message in self.held.values():
            message.stage = Stage.QUEUED
            message.missed = False
            message.again = message.sends = 0
