"""When the hub itself was away: what nobody could have heard is no silence of a station."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class HubAway:
    """Spans of time, (from, to) in epoch milliseconds, in which the hub took nothing in."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self.spans = tuple(sorted(spans))
        self._begins = [begin_ms for begin_ms, _ in self.spans]

    def awake_ms(self, at_ms: int) -> int:
        """This moment, or the end of the span in which it lies."""
        span = self._before(at_ms)
        return at_ms if span is None else max(at_ms, span[1])

    def floor_ms(self, at_ms: int) -> int:
        """Since when the hub has been there: silence counts from here. 0 when it was never away before."""
        span = self._before(at_ms)
        return 0 if span is None else span[1]

    def _before(self, at_ms: int) -> tuple[int, int] | None:
        at = bisect_right(self._begins, at_ms) - 1
        return None if at < 0 else self.spans[at]
