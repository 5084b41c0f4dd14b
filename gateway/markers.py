"""Whether a lane has caught up: the hub sends itself a marker on each lane and watches it come back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from domain.topics import BULK_MARKER, QUICK_MARKER

EVERY_MS = 5_000
STALE_MS = 15_000
MARKER_TOPICS = {"quick": QUICK_MARKER, "bulk": BULK_MARKER}


@dataclass(slots=True)
class LaneProgress:
    """`since_ms` is when the marker was sent that proved the lane had caught up; None before that."""

    generation: int = 0
    since_ms: int | None = None
    last_sent_ms: int = 0
    last_back_ms: int = 0


@dataclass(slots=True)
class Markers:
    """Silence counts from `floor_ms`; before every lane has caught up there is none."""

    word: str
    """Random word of this process: markers of a predecessor prove nothing."""
    lanes: dict[str, LaneProgress] = field(
        default_factory=lambda: {"quick": LaneProgress(), "bulk": LaneProgress()}
    )

    def due(self, lane: str, generation: int, now_ms: int) -> bytes | None:
        """The marker to send now on this lane, if it is time; a new connection starts afresh."""
        progress = self.lanes[lane]
        if generation != progress.generation:
            self.lanes[lane] = progress = LaneProgress(generation=generation)
        every = EVERY_MS if _is_fresh(progress, now_ms) else 1_000
        if 0 <= now_ms - progress.last_sent_ms < every:
            return None
        progress.last_sent_ms = now_ms
        return json.dumps({"word": self.word, "generation": generation, "sent": now_ms}).encode()

    def came_back(self, lane: str, payload: bytes, now_ms: int) -> None:
        """A marker was received; only this process's own, of the present connection, counts."""
        try:
            body = json.loads(payload)
            word, generation, sent_ms = body["word"], body["generation"], body["sent"]
        except (ValueError, KeyError, TypeError):
            return
        progress = self.lanes.get(lane)
        if progress is None or word != self.word or generation != progress.generation:
            return
        if abs(now_ms - sent_ms) > STALE_MS:
            return
        if not _is_fresh(progress, now_ms):
            progress.since_ms = sent_ms
        progress.last_back_ms = now_ms

    def lost(self, lane: str) -> None:
        """The lane has no connection: what comes after is not known to be all there is."""
        self.lanes[lane].since_ms = None

    def since_ms(self, lane: str, now_ms: int) -> int | None:
        """Since when this lane has been caught up. Who slept, or whose clock jumped, must do so again."""
        progress = self.lanes[lane]
        return progress.since_ms if _is_fresh(progress, now_ms) else None

    def caught_up(self, lane: str, now_ms: int) -> bool:
        """True while the lane's markers come back in time."""
        return _is_fresh(self.lanes[lane], now_ms)

    def floor_ms(self, now_ms: int) -> int | None:
        """Since when all lanes have been caught up; None while one has not."""
        since = [self.since_ms(lane, now_ms) for lane in self.lanes]
        return None if None in since else max(s for s in since if s is not None)


def _is_fresh(progress: LaneProgress, now_ms: int) -> bool:
    return progress.since_ms is not None and abs(now_ms - progress.last_back_ms) <= STALE_MS
