"""Some messages of the outbox as InfluxDB takes them: read again as when they came, and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from domain.errors import BadMessage
from storage.influx import PointsRefused, TooMuchAtOnce
from storage.influx_lines import lines_of
from storage.influx_points import EARLIEST_MS, LATEST_MS
from storage.series_outbox import Kept

POINTS_AT_ONCE: Final = 5_000
BYTES_AT_ONCE: Final = 4_000_000
ROWS_AT_ONCE: Final = 500
OURS: Final = 0
"""The status of what we refuse ourselves."""


class Writer(Protocol):
    """Takes points in line protocol, as `storage.influx.Influx` does."""

    def write(self, body: bytes) -> None:
        """Return when they are kept."""
        ...


class Prepared(NamedTuple):
    """One message and its points."""

    kept: Kept
    body: str
    points: int


class Refused(NamedTuple):
    """One message that will not be taken, and why."""

    kept: Kept
    status: int
    said: str


class Batch:
    """Messages in the order of the outbox, until there are enough."""

    def __init__(self, oldest_ms: int) -> None:
        self._oldest_ms = oldest_ms
        self._bytes = 0
        self.prepared: list[Prepared] = []
        self.too_old: list[Kept] = []
        self.refused: list[Refused] = []
        self.points = 0
        self.last_id = 0

    @property
    def full(self) -> bool:
        """True when no more should be added."""
        return self.points >= POINTS_AT_ONCE or self._bytes >= BYTES_AT_ONCE

    def __len__(self) -> int:
        return len(self.prepared) + len(self.too_old) + len(self.refused)

    def add(self, rows: Iterable[Kept]) -> None:
        """Take messages in until it is full."""
        for kept in rows:
            if self.full:
                return
            self.last_id = kept.id
            if kept.at_ms < self._oldest_ms:
                self.too_old.append(kept)
                continue
            if not EARLIEST_MS < kept.at_ms < LATEST_MS:
                self.refused.append(Refused(kept, OURS, f"InfluxDB cannot count up to {kept.at_ms} ms"))
                continue
            try:
                made = lines_of(kept)
            except BadMessage as bad:
                # It was understood when it came, by another version or with another kind's file.
                self.refused.append(Refused(kept, OURS, f"cannot be read any more: {bad}"))
                continue
            body = "\n".join(made)
            self.prepared.append(Prepared(kept, body, len(made)))
            self.points += len(made)
            self._bytes += len(body)


def deliver(writer: Writer, messages: Sequence[Prepared]) -> list[Refused]:
    """Write messages; returns those that InfluxDB will not take, found by halving.

    All others are written, some perhaps twice, which is once: a point is its tags and its time. Raises
    InfluxAway and InfluxLocked, after which any of them may be written.
    """
    if not messages:
        return []
    try:
        writer.write("\n".join(one.body for one in messages).encode("utf-8", "backslashreplace"))
    except (TooMuchAtOnce, PointsRefused) as error:
        if len(messages) == 1:
            return [Refused(messages[0].kept, error.status, error.said)]
        half = len(messages) // 2
        return deliver(writer, messages[:half]) + deliver(writer, messages[half:])
    return []
