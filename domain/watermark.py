"""What the hub has already seen of one boot of one speaker, and what it may promise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW = 1024
MAX_ALSO = 64


@dataclass(slots=True)
class Watermark:
    """Sequence numbers seen: all up to `upto`, and `ranges` above it (inclusive, disjoint, ascending).

    A speaker that sends `low` keeps messages until they are promised; one that does not keeps nothing,
    so its `upto` stays at -1 and only the last 1,024 numbers are remembered, to drop duplicates.
    """

    upto: int = -1
    ranges: list[list[int]] = field(default_factory=list)

    def copy(self) -> Watermark:
        """An independent copy; deciding works on copies until the commit."""
        return Watermark(self.upto, [list(r) for r in self.ranges])

    def take(self, seq: int, low: int | None) -> bool:
        """`add`, unless it was seen before; returns whether it is new."""
        if not self.ranges and low is not None and seq == self.upto + 1 and low <= seq:
            self.upto = seq
            return True
        if self.has(seq):
            return False
        self.add(seq, low)
        return True

    def has(self, seq: int) -> bool:
        """True when `seq` was seen, or lies below what the speaker still holds."""
        if seq <= self.upto:
            return True
        at = bisect_right(self.ranges, seq, key=lambda r: r[0]) - 1
        return at >= 0 and seq <= self.ranges[at][1]

    def add(self, seq: int, low: int | None) -> None:
        """Note that `seq` is kept; `low` is the oldest number that the speaker still holds."""
        if low is not None:
            if low - 1 > self.upto:
                self.upto = low - 1
                self._absorb()
            if seq == self.upto + 1:
                self.upto = seq
                if self.ranges:
                    self._absorb()
                return
        if seq > self.upto:
            self._insert(seq)
        if low is not None:
            self._absorb()
        else:
            self._forget_old()

    def also(self, batch: Sequence[int]) -> list[list[int]]:
        """At most 64 inclusive ranges above `upto`: those that hold this batch's numbers first."""
        if len(self.ranges) <= MAX_ALSO:
            return [list(r) for r in self.ranges]
        wanted: dict[int, None] = {}
        for seq in batch:
            at = bisect_right(self.ranges, seq, key=lambda r: r[0]) - 1
            if at >= 0 and seq <= self.ranges[at][1]:
                wanted[at] = None
        for at in range(len(self.ranges)):
            if len(wanted) >= MAX_ALSO:
                break
            wanted[at] = None
        return [list(self.ranges[at]) for at in sorted(list(wanted)[:MAX_ALSO])]

    def _insert(self, seq: int) -> None:
        ranges = self.ranges
        at = bisect_right(ranges, seq, key=lambda r: r[0])
        if at and seq <= ranges[at - 1][1]:
            return
        joins_left = at > 0 and ranges[at - 1][1] == seq - 1
        joins_right = at < len(ranges) and ranges[at][0] == seq + 1
        if joins_left and joins_right:
            ranges[at - 1][1] = ranges[at][1]
            del ranges[at]
        elif joins_left:
            ranges[at - 1][1] = seq
        elif joins_right:
            ranges[at][0] = seq
        else:
            ranges.insert(at, [seq, seq])

    def _absorb(self) -> None:
        ranges = self.ranges
        while ranges and ranges[0][0] <= self.upto + 1:
            self.upto = max(self.upto, ranges[0][1])
            del ranges[0]

    def _forget_old(self) -> None:
        ranges = self.ranges
        if not ranges:
            return
        floor = ranges[-1][1] - WINDOW
        while ranges[0][1] <= floor:
            del ranges[0]
        if ranges[0][0] <= floor:
            ranges[0][0] = floor + 1
