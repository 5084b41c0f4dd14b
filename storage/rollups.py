"""Hourly roll-ups: what a metric did in one hour, as it is reckoned, kept and put together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.facts import Value
from domain.ids import DeviceId
from storage.rollup_tables import late_hour, rolled, rollup
from storage.series import Aggregate, Reading, SeriesRow
from storage.texts import json_text

HOUR_MS: Final = 3_600_000
LATE_MS: Final = 120_000
"""What comes so long after the end of its hour counts as late and has its hour rolled up again."""


class Summary(NamedTuple):
    """Values of one metric over a time. Truth values are 0 and 1; text has no numbers."""

    reports: int
    min: float | int | None
    sum: float | int | None
    max: float | int | None
    last: Value

    @staticmethod
    def of(values: Iterable[Value]) -> Summary | None:
        """Sum up values in order of time; None for none."""
        found = [value for value in values if value is not None]
        if not found:
            return None
        numbers = [value for value in found if not isinstance(value, str)]
        if len(numbers) < len(found):
            return Summary(len(found), None, None, None, found[-1])
        return Summary(len(found), min(numbers) + 0, sum(numbers), max(numbers) + 0, found[-1])

    def then(self, later: Summary) -> Summary:
        """This one and a later one together."""
        if self.min is None or self.sum is None or self.max is None:
            return Summary(self.reports + later.reports, None, None, None, later.last)
        if later.min is None or later.sum is None or later.max is None:
            return Summary(self.reports + later.reports, None, None, None, later.last)
        return Summary(
            self.reports + later.reports,
            min(self.min, later.min),
            self.sum + later.sum,
            max(self.max, later.max),
            later.last,
        )

    def told(self, aggregate: Aggregate) -> Value:
        """The value of this aggregate; None for a number of what is text."""
        if aggregate == "mean":
            return None if self.sum is None else self.sum / self.reports
        return {"min": self.min, "max": self.max, "last": self.last}[aggregate]


class Hour(NamedTuple):
    """One hour of one device (part 0) or part. `messages` counts those that said anything of it."""

    device: DeviceId
    part: int
    hour_ms: int
    messages: int
    metrics: Mapping[str, Summary]


def hour_of(at_ms: int) -> int:
    """The beginning of the hour."""
    return at_ms - at_ms % HOUR_MS


def hours_of(device: DeviceId, readings: Iterable[Reading]) -> list[Hour]:
    """Roll up the messages of a device, given in order of time."""
    values: dict[tuple[int, int], dict[str, list[Value]]] = {}
    messages: dict[tuple[int, int], int] = {}
    for reading in readings:
        hour_ms = hour_of(reading.at_ms)
        for part, fields in ((0, reading.fields), *reading.parts.items()):
            place = (part, hour_ms)
            messages[place] = messages.get(place, 0) + 1
            into = values.setdefault(place, {})
            for name, value in fields.items():
                into.setdefault(name, []).append(value)
    return [
        Hour(device, part, hour_ms, messages[part, hour_ms], _summaries(found))
        for (part, hour_ms), found in sorted(values.items())
    ]


def put_hours(connection: Connection, hours: Sequence[Hour]) -> None:
    """Write hours, each at most once; one that is there from more messages stays, since raw rows go."""
    rows = [
        {
            "station": hour.device.station,
            "kind": hour.device.kind,
            "n": hour.device.n,
            "part": hour.part,
            "hour_ms": hour.hour_ms,
            "messages": hour.messages,
            "metrics": json_text(hour.metrics),
        }
        for hour in hours
    ]
    if rows:
        insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(rollup)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=list(rollup.primary_key),
                set_={"messages": insert.excluded.messages, "metrics": insert.excluded.metrics},
                where=insert.excluded.messages >= rollup.c.messages,
            ),
            rows,
        )


def between(connection: Connection, device: DeviceId, from_ms: int, to_ms: int, part: int = 0) -> list[Hour]:
    """The hours of a device or part that begin from `from_ms` up to, not including, `to_ms`, in order."""
    wanted = (
        _of_series(device, part)
        .where(rollup.c.hour_ms >= from_ms, rollup.c.hour_ms < to_ms)
        .order_by(rollup.c.hour_ms)
    )
    return [_hour(device, part, row) for row in connection.execute(wanted)]


def last_before(connection: Connection, device: DeviceId, before_ms: int, part: int = 0) -> Hour | None:
    """The newest hour of a device or part that begins before this time."""
    wanted = _of_series(device, part).where(rollup.c.hour_ms < before_ms)
    row = connection.execute(wanted.order_by(rollup.c.hour_ms.desc()).limit(1)).one_or_none()
    return None if row is None else _hour(device, part, row)


def rolled_until(connection: Connection, station: str) -> int | None:
    """Every hour of a station before this one is rolled up; None when none is."""
    found: int | None = connection.scalar(sa.select(rolled.c.until_ms).where(rolled.c.station == station))
    return found


def mark_late(connection: Connection, rows: Iterable[SeriesRow], now_ms: int | None = None) -> None:
    """Note the hours that have to be rolled up again, in the transaction that keeps the late rows.

    Late is what is kept, at `now_ms`, when its hour has been over for a while; without it the time of
    reception counts, which misses what was held back for long between the two.
    """
    border_ms = None if now_ms is None else border_of(now_ms)
    late = {
        (row.device.station, hour_of(row.at_ms))
        for row in rows
        if row.at_ms < (border_of(row.received_ms) if border_ms is None else border_ms)
    }
    mark_hours(connection, late)


def border_of(now_ms: int) -> int:
    """What counts before this time is late at `now_ms`."""
    return hour_of(now_ms - LATE_MS)


def mark_hours(connection: Connection, late: Set[tuple[str, int]]) -> None:
    """Note hours of stations that have to be rolled up again."""
    if late:
        insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(late_hour)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=list(late_hour.primary_key), set_={"times": late_hour.c.times + 1}
            ),
            # In one order, so that two who mark the same hours never wait for each other.
            [{"station": station, "hour_ms": hour_ms, "times": 1} for station, hour_ms in sorted(late)],
        )


def _summaries(values: Mapping[str, Sequence[Value]]) -> dict[str, Summary]:
    found = {name: Summary.of(said) for name, said in values.items()}
    return {name: summary for name, summary in found.items() if summary is not None}


def _of_series(device: DeviceId, part: int) -> sa.Select[int, int, str]:
    station, kind, n = device
    here = (rollup.c.station == station, rollup.c.kind == kind, rollup.c.n == n, rollup.c.part == part)
    return sa.select(rollup.c.hour_ms, rollup.c.messages, rollup.c.metrics).where(*here)


def _hour(device: DeviceId, part: int, row: sa.Row[int, int, str]) -> Hour:
    hour_ms, messages, metrics = row
    summaries = {name: Summary(*one) for name, one in json.loads(metrics).items()}
    return Hour(device, part, hour_ms, messages, summaries)
