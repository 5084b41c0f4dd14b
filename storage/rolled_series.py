"""Readings that outlive themselves: where they are gone, the hours answer; late ones mark their hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.clock import Clock
from domain.ids import DeviceId
from storage import rollups
from storage.rollup_tables import rollup
from storage.rollups import HOUR_MS, Summary, hour_of
from storage.said_since import Said
from storage.series import MAX_POINTS, Aggregate, Point, Reading, Series, SeriesRow

_ALL: Final = "last"


class RolledSeries:
    """A series, and the hourly roll-ups of it. An hour stands for its beginning.

    With a clock it knows what comes late by when it is kept, without one by when it was received.
    """

    def __init__(self, raw: Series, clock: Clock | None = None) -> None:
        self._raw = raw
        self._clock = clock

    @property
    def in_order(self) -> bool:
        """As the series itself."""
        return self._raw.in_order

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep the messages of one kind, and note which hours they come too late for."""
        self._raw.append(connection, kind, rows)
        rollups.mark_late(connection, rows, self._clock.now_ms() if self._clock is not None else None)

    def position(self, connection: Connection) -> int:
        """Where the newest reading stands."""
        return self._raw.position(connection)

    def cover(self, connection: Connection, position: int) -> None:
        """States and boots hold all up to this position, too."""
        self._raw.cover(connection, position)

    def said_since(self, connection: Connection, kind: str) -> Iterator[Said]:
        """Readings that are newer than what is written of states and boots."""
        return self._raw.said_since(connection, kind)

    def history(
        self,
        connection: Connection,
        device: DeviceId,
        metric: str,
        part: int,
        from_ms: int,
        to_ms: int,
        step_ms: int | None,
        aggregate: Aggregate,
    ) -> list[Point]:
        """One metric over time, as the series tells it; before its oldest reading from the hours.

        There each hour is one point at its beginning, or one part of the step in which it begins.
        """
        young = self._raw.history(connection, device, metric, part, from_ms, to_ms, step_ms, aggregate)
        first_ms = self._raw.first_ms(connection, device, part)
        oldest_ms = _oldest(connection, device, part, from_ms)
        if oldest_ms is None or oldest_ms >= to_ms or (first_ms is not None and first_ms < oldest_ms):
            return young
        border_ms = (
            to_ms if first_ms is None else min(to_ms, self._border(connection, device, part, first_ms))
        )
        if step_ms is None or step_ms < HOUR_MS:
            old = _summaries(connection, device, metric, part, from_ms, border_ms)
            points = _stepped(old, step_ms, aggregate)
            return (points + [one for one in young if one.at_ms >= border_ms])[:MAX_POINTS]
        # A step may lie on both sides of the border: so hours go on as far as there are any.
        done_ms = rollups.rolled_until(connection, device.station) or border_ms
        border_ms = min(to_ms, max(border_ms, done_ms))
        old = _summaries(connection, device, metric, part, from_ms, border_ms)
        new = self._raw.history(connection, device, metric, part, border_ms, to_ms, None, _ALL)
        singles = [(at_ms, Summary.of([value])) for at_ms, value in new]
        return _stepped([*old, *((at_ms, one) for at_ms, one in singles if one)], step_ms, aggregate)

    def readings(self, connection: Connection, device: DeviceId, from_ms: int, to_ms: int) -> list[Reading]:
        """The messages of a device, as far as they are still there."""
        return self._raw.readings(connection, device, from_ms, to_ms)

    def readings_of(
        self, connection: Connection, devices: Sequence[DeviceId], from_ms: int, to_ms: int
    ) -> Mapping[DeviceId, list[Reading]]:
        """The same of several devices."""
        return self._raw.readings_of(connection, devices, from_ms, to_ms)

    def first_ms(
        self, connection: Connection, device: DeviceId, part: int = 0, from_ms: int = 0
    ) -> int | None:
        """When the oldest reading counts that is still there."""
        return self._raw.first_ms(connection, device, part, from_ms)

    def prune(self, connection: Connection, before_ms: int, after: str = "", devices: int = 50) -> str | None:
        """Delete readings that are older; their hours stay."""
        return self._raw.prune(connection, before_ms, after, devices)

    def _border(self, connection: Connection, device: DeviceId, part: int, first_ms: int) -> int:
        """Where readings take over: an hour of which some are gone already belongs to the hours."""
        hour_ms = hour_of(first_ms)
        hours = rollups.between(connection, device, hour_ms, hour_ms + 1, part)
        if not hours:
            return hour_ms
        there = self._raw.readings(connection, device, hour_ms, hour_ms + HOUR_MS)
        left = sum(1 for one in there if not part or part in one.parts)
        return hour_ms + HOUR_MS if hours[0].messages > left else hour_ms


def _oldest(connection: Connection, device: DeviceId, part: int, from_ms: int) -> int | None:
    station, kind, n = device
    found: int | None = connection.scalar(
        sa.select(sa.func.min(rollup.c.hour_ms)).where(
            rollup.c.station == station,
            rollup.c.kind == kind,
            rollup.c.n == n,
            rollup.c.part == part,
            rollup.c.hour_ms >= from_ms,
        )
    )
    return found


def _summaries(
    connection: Connection, device: DeviceId, metric: str, part: int, from_ms: int, to_ms: int
) -> list[tuple[int, Summary]]:
    hours = rollups.between(connection, device, from_ms, to_ms, part)
    return [(hour.hour_ms, hour.metrics[metric]) for hour in hours if metric in hour.metrics]


def _stepped(
    summaries: Iterable[tuple[int, Summary]], step_ms: int | None, aggregate: Aggregate
) -> list[Point]:
    return [Point(at_ms, one.told(aggregate)) for at_ms, one in _together(summaries, step_ms)]


def _together(summaries: Iterable[tuple[int, Summary]], step_ms: int | None) -> Iterator[tuple[int, Summary]]:
    begins_ms: int | None = None
    sum_: Summary | None = None
    for at_ms, one in summaries:
        step = at_ms if step_ms is None else at_ms - at_ms % step_ms
        if sum_ is not None and begins_ms is not None and step != begins_ms:
            yield begins_ms, sum_
            sum_ = None
        begins_ms, sum_ = step, one if sum_ is None else sum_.then(one)
    if sum_ is not None and begins_ms is not None:
        yield begins_ms, sum_
