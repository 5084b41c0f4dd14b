"""Time series: one row a message and one a part in it, kept beside everything else or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from domain.errors import NotFound
from domain.facts import Value
from domain.ids import DeviceId
from storage.bulk import Insert
from storage.said_since import Said, said_since
from storage.series_question import MAX_POINTS as MAX_POINTS
from storage.series_question import Aggregate as Aggregate
from storage.series_question import check_question, metric_of
from storage.series_row import SeriesRow as SeriesRow
from storage.series_tables import BESIDES, KEY, PART_KEY, series_tables
from storage.texts import json_text

_PRUNED_AT_ONCE_MS = 6 * 3_600_000


class Point(NamedTuple):
    """A value at a time, or of the step that begins at that time."""

    at_ms: int
    value: Value


class Reading(NamedTuple):
    """What is kept of a telemetry message: only fields that had a value."""

    at_ms: int
    received_ms: int
    boot: str
    seq: int
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]]


class Series(Protocol):
    """Where readings are kept."""

    @property
    def in_order(self) -> bool:
        """True where `said_since` finds all that came after `cover`, however late it was."""
        ...

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep the messages of one kind, within the caller's transaction."""
        ...

    def position(self, connection: Connection) -> int:
        """Where the newest reading stands; 0 where readings have no order of arrival."""
        ...

    def cover(self, connection: Connection, position: int) -> None:
        """All readings up to this position are in states and boots, too: `said_since` may leave them out."""
        ...

    def said_since(self, connection: Connection, kind: str) -> Iterator[Said]:
        """Readings of a kind that are newer than what is written of states and boots, in no order."""
        ...

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
        """One metric over time, in order; where nothing was reported there is no point."""
        ...

    def readings(self, connection: Connection, device: DeviceId, from_ms: int, to_ms: int) -> list[Reading]:
        """The messages of a device from `from_ms` up to, not including, `to_ms`, in order of time."""
        ...

    def readings_of(
        self, connection: Connection, devices: Sequence[DeviceId], from_ms: int, to_ms: int
    ) -> Mapping[DeviceId, list[Reading]]:
        """The same of each of several devices, of a few stations at a time: all of it is held."""
        ...

    def first_ms(
        self, connection: Connection, device: DeviceId, part: int = 0, from_ms: int = 0
    ) -> int | None:
        """When the oldest row of a device or part counts that is not before `from_ms`; None without any."""
        ...

    def prune(self, connection: Connection, before_ms: int, after: str = "", devices: int = 50) -> str | None:
        """Delete what is older, a few devices at a time; returns where to go on, None at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Writing:
    own: Insert
    metrics: tuple[str, ...]
    part: Insert | None
    part_metrics: tuple[str, ...]


@cache
def _writing(kind: str) -> _Writing:
    tables = series_tables()[kind]
    metrics, part_metrics = tuple(tables.kind.metrics), tuple(tables.kind.part_metrics)
    return _Writing(
        Insert(tables.own, (*KEY, *BESIDES, *metrics), on_conflict="keep"),
        metrics,
        None if tables.part is None else Insert(tables.part, (*PART_KEY, *part_metrics), on_conflict="keep"),
        part_metrics,
    )


class SqlSeries:
    """Readings in tables of the same database, written in the same transaction."""

    in_order = False

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep the messages of one kind; one that is there already stays as it is."""
        to = _writing(kind)
        own, parts = [], []
        metrics, part_metrics = to.metrics, to.part_metrics
        for device, speaker, boot, seq, at_ms, device_ts_ms, received_ms, fields, in_parts, extra, *_ in rows:
            station, _, n = device
            kept = json_text(extra) if extra else None
            get = fields.get
            own.append(
                (
                    *(station, n, at_ms, seq, boot, speaker[1], speaker[2], device_ts_ms, received_ms, kept),
                    *[get(name) for name in metrics],
                )
            )
            for part, values in in_parts.items():
                get = values.get
                parts.append((station, n, part, at_ms, seq, boot, *[get(name) for name in part_metrics]))
        to.own.run(connection, own)
        if to.part is not None:
            to.part.run(connection, parts)

    def position(self, connection: Connection) -> int:
        """Rows here are found by device and time."""
        return 0

    def cover(self, connection: Connection, position: int) -> None:
        """Nothing to note."""

    def said_since(self, connection: Connection, kind: str) -> Iterator[Said]:
        """Rows that are newer than their device's state."""
        return said_since(connection, kind)

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
        """One metric from `from_ms` up to, not including, `to_ms`; at most 10,000 points.

        `part` 0 is the device itself. Steps begin at multiples of `step_ms` since 1970; without a step
        every report is a point. min, mean and max take numbers, and truth values as 0 and 1; text has
        only last. Raises NotFound for a kind, part or metric that does not exist, ValueError for a
        question that makes no sense.
        """
        declared = metric_of(device.kind, metric, part)
        table = _table(device.kind, part)
        value, type_ = table.c[metric], declared.type
        check_question(declared, from_ms, to_ms, step_ms, aggregate)
        here = [
            table.c.station == device.station,
            table.c.n == device.n,
            table.c.at_ms >= from_ms,
            table.c.at_ms < to_ms,
            value.is_not(None),
        ]
        if part:
            here.append(table.c.part == part)
        at_ms = table.c.at_ms
        if step_ms is None:
            asked = sa.select(at_ms, value).where(*here).order_by(at_ms, table.c.seq).limit(MAX_POINTS)
            return [Point(*row) for row in connection.execute(asked)]
        begins = (at_ms - at_ms % sa.literal_column(str(int(step_ms)))).label("begins_ms")
        if aggregate == "last":
            latest = (
                sa.func.row_number()
                .over(partition_by=begins, order_by=[at_ms.desc(), table.c.seq.desc()])
                .label("nth")
            )
            ranked = sa.select(begins, value.label("value"), latest).where(*here).subquery()
            asked = (
                sa.select(ranked.c.begins_ms, ranked.c.value)
                .where(ranked.c.nth == 1)
                .order_by(ranked.c.begins_ms)
            )
            return [Point(*row) for row in connection.execute(asked)]
        number = sa.cast(value, sa.Integer) if type_ == "bool" else value
        if aggregate == "mean":
            # Means of whole numbers are not whole; without the cast PostgreSQL answers with decimals.
            reckoned: sa.ColumnElement[Any] = sa.func.avg(sa.cast(number, sa.Double))
        else:
            reckoned = sa.func.min(number) if aggregate == "min" else sa.func.max(number)
        asked = sa.select(begins, reckoned).where(*here).group_by(begins).order_by(begins)
        return [Point(*row) for row in connection.execute(asked)]

    def readings(self, connection: Connection, device: DeviceId, from_ms: int, to_ms: int) -> list[Reading]:
        """The messages of a device in order of time; NotFound for a kind that does not exist."""
        tables = series_tables().get(device.kind)
        if tables is None:
            raise NotFound(f"There is no kind {device.kind[:40]!r}.")
        parts: dict[tuple[int, int, str], dict[int, dict[str, Value]]] = {}
        names = tuple(tables.kind.part_metrics)
        if tables.part is not None:
            wanted = _rows_of(tables.part, ("part", "at_ms", "seq", "boot", *names), device, from_ms, to_ms)
            # Named one by one, so that the tree is entered at the time in question in each of them.
            wanted = wanted.where(tables.part.c.part.in_(_parts_of(connection, tables.part, device)))
            for part, at_ms, seq, boot, *values in connection.execute(wanted):
                parts.setdefault((at_ms, seq, boot), {})[part] = _told(names, values)
        names = tuple(tables.kind.metrics)
        rows = connection.execute(
            _rows_of(tables.own, ("at_ms", "received_ms", "boot", "seq", *names), device, from_ms, to_ms)
        )
        return [
            Reading(at_ms, received_ms, boot, seq, _told(names, values), parts.get((at_ms, seq, boot), {}))
            for at_ms, received_ms, boot, seq, *values in rows
        ]

    def readings_of(
        self, connection: Connection, devices: Sequence[DeviceId], from_ms: int, to_ms: int
    ) -> dict[DeviceId, list[Reading]]:
        """The same of several devices."""
        return {device: self.readings(connection, device, from_ms, to_ms) for device in devices}

    def first_ms(
        self, connection: Connection, device: DeviceId, part: int = 0, from_ms: int = 0
    ) -> int | None:
        """When the oldest row counts that is not before `from_ms`: one look into the tree."""
        tables = series_tables().get(device.kind)
        table = None if tables is None else tables.part if part else tables.own
        if table is None:
            return None
        here = [table.c.station == device.station, table.c.n == device.n, table.c.at_ms >= from_ms]
        if part:
            here.append(table.c.part == part)
        found: int | None = connection.scalar(sa.select(sa.func.min(table.c.at_ms)).where(*here))
        return found

    def prune(self, connection: Connection, before_ms: int, after: str = "", devices: int = 50) -> str | None:
        """Delete rows before this time, of `devices` devices or parts and at most six hours of each."""
        tables = [t for kind in series_tables().values() for t in (kind.own, kind.part) if t is not None]
        name, *place = after.split("/") if after else [tables[0].name]
        at = next((i for i, table in enumerate(tables) if table.name == name), 0)
        for _ in range(devices):
            series = _next_series(connection, tables[at], place)
            if series is None:
                at, place = at + 1, []
                if at == len(tables):
                    return None
                continue
            if not _prune_some(connection, tables[at], series, before_ms):
                place = series
        return "/".join([tables[at].name, *place])


def _rows_of(
    table: Table, names: Sequence[str], device: DeviceId, from_ms: int, to_ms: int
) -> sa.Select[tuple[Any, ...]]:
    at_ms = table.c.at_ms
    here = (table.c.station == device.station, table.c.n == device.n, at_ms >= from_ms, at_ms < to_ms)
    return sa.select(*(table.c[name] for name in names)).where(*here).order_by(at_ms, table.c.seq)


def _parts_of(connection: Connection, table: Table, device: DeviceId) -> list[int]:
    found: list[int] = []
    here = (table.c.station == device.station, table.c.n == device.n)
    next_part = sa.select(sa.func.min(table.c.part)).where(*here, table.c.part > sa.bindparam("after"))
    while (part := connection.scalar(next_part, {"after": found[-1] if found else -1})) is not None:
        found.append(part)
    return found


def _told(names: Sequence[str], values: Sequence[Value]) -> dict[str, Value]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _table(kind: str, part: int) -> Table:
    tables = series_tables()[kind]
    table = tables.part if part else tables.own
    assert table is not None
    return table


def _series_key(table: Table) -> list[sa.Column[Any]]:
    return [table.c[name] for name in ("station", "n", "part") if name in table.c]


def _next_series(connection: Connection, table: Table, after: Sequence[str]) -> list[str] | None:
    """The next (station, n, part) in the key's order: one look into the tree, however long the series is."""
    key = _series_key(table)
    wanted = sa.select(*key).order_by(*key).limit(1)
    if after:
        place = [after[0], *(int(number) for number in after[1:])]
        wanted = wanted.where(sa.tuple_(*key) > sa.tuple_(*(sa.literal(value) for value in place)))
    found = connection.execute(wanted).one_or_none()
    return None if found is None else [str(value) for value in found]


def _prune_some(connection: Connection, table: Table, series: Sequence[str], before_ms: int) -> bool:
    """Delete the oldest of one series; returns whether more of it is too old."""
    place = [series[0], *(int(number) for number in series[1:])]
    this = [column == value for column, value in zip(_series_key(table), place, strict=True)]
    oldest = connection.scalar(sa.select(sa.func.min(table.c.at_ms)).where(*this))
    if oldest is None or oldest >= before_ms:
        return False
    until_ms = min(before_ms, oldest + _PRUNED_AT_ONCE_MS)
    connection.execute(sa.delete(table).where(*this, table.c.at_ms < until_ms))
    return bool(until_ms < before_ms)
