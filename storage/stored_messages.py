"""Messages as they were kept, read again in the order in which they came, some hours at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from devices.kind import Kind, Metric
from devices.state import SELF
from domain.facts import Value
from domain.ids import DeviceId
from rules.stored import StoredDevice, StoredMessage
from storage.database import Database
from storage.series_tables import series_tables
from storage.tables import event

if TYPE_CHECKING:
    from storage.influx_series import InfluxSeries

CHUNK_MS: Final = 8 * 3_600_000
_MOST_SHARED: Final = 50_000
_RECEIVED: Final = itemgetter(0, 1)

Fields = Mapping[str, Value]
_NO_FIELDS: Final[Fields] = {}
_NO_PARTS: Final[Mapping[int, Fields]] = {}


class Columns(NamedTuple):
    """The metrics that somebody wants to see, of a device and of its parts."""

    own: tuple[str, ...]
    part: tuple[str, ...]


def all_columns(kind: Kind) -> Columns:
    """Everything that a kind reports."""
    return Columns(tuple(kind.metrics), tuple(kind.part_metrics))


def read_station(
    database: Database,
    devices: Sequence[StoredDevice],
    wanted: Mapping[str, Columns],
    from_ms: int,
    to_ms: int,
    influx: InfluxSeries | None = None,
) -> Iterator[StoredMessage]:
    """Messages of one station that count from `from_ms` up to, not including, `to_ms`, as they came in.

    `wanted` gives the columns of each kind; one that is left out is read whole. Where readings keep no
    difference between null and absent, a null is absent. No transaction stays open between two chunks.
    `influx` has the readings where they are not in tables.
    """
    late: list[StoredMessage] = []
    readers: list[_Reader] = []
    for one in devices:
        columns = wanted.get(one.kind.name) or all_columns(one.kind)
        readers.append(_Reader(one, columns) if influx is None else _InfluxReader(one, columns, influx))
    for begin_ms in range(from_ms, to_ms, CHUNK_MS):
        end_ms = min(begin_ms + CHUNK_MS, to_ms)
        here = late
        with database.read() as connection:
            for reader in readers:
                here += reader.read(connection, begin_ms, end_ms)
        # What counts later is received later: nothing that is still to be read belongs before `end_ms`.
        here.sort(key=_RECEIVED)
        late = []
        for at, message in enumerate(here):
            if message.received_ms >= end_ms:
                late = here[at:]
                break
            yield message
    yield from late


@dataclass(frozen=True, slots=True)
class _Asked:
    """The statements of one kind; values come behind the key."""

    own: Select[Any]
    part: Select[Any] | None
    parts: Select[Any] | None


_OWN: Final = ("at_ms", "seq", "boot", "received_ms", "speaker_kind", "speaker_n", "device_ts_ms", "extra")
_PART: Final = ("at_ms", "seq", "boot")


@cache
def _asked(kind: str, columns: Columns) -> _Asked:
    tables = series_tables()[kind]
    own, part = tables.own, tables.part
    span: list[sa.BindParameter[int]] = [sa.bindparam("from_ms"), sa.bindparam("to_ms")]
    this = [own.c.station == sa.bindparam("station"), own.c.n == sa.bindparam("n")]
    asked_own = sa.select(*(own.c[name] for name in (*_OWN, *columns.own))).where(
        *this, own.c.at_ms >= span[0], own.c.at_ms < span[1]
    )
    if part is None or not columns.part:
        return _Asked(asked_own, None, None)
    this = [part.c.station == sa.bindparam("station"), part.c.n == sa.bindparam("n")]
    asked_part = sa.select(*(part.c[name] for name in (*_PART, *columns.part))).where(
        *this, part.c.part == sa.bindparam("part"), part.c.at_ms >= span[0], part.c.at_ms < span[1]
    )
    after = sa.select(sa.func.min(part.c.part)).where(*this, part.c.part > sa.bindparam("part"))
    return _Asked(asked_own, asked_part, after)


class _Values:
    """Turns the values of a row into fields. Rows that say the same share them: nobody changes them."""

    def __init__(self, names: tuple[str, ...], metrics: Mapping[str, Metric]) -> None:
        self._names = names
        self._truths = [name for name in names if metrics[name].type == "bool"]
        self._known: dict[tuple[Any, ...], Fields] = {}

    def fields(self, values: tuple[Any, ...]) -> Fields:
        found = self._known.get(values)
        if found is None:
            if len(self._known) >= _MOST_SHARED:
                self._known.clear()
            made = {n: v for n, v in zip(self._names, values, strict=True) if v is not None}
            for name in self._truths:
                if name in made:
                    made[name] = bool(made[name])
            found = self._known[values] = made
        return found


class _Reader:
    """One device."""

    def __init__(self, one: StoredDevice, columns: Columns) -> None:
        self._device, self._kind = one.device, one.kind
        self._columns = columns
        self._asked = _asked(one.kind.name, columns)
        self._own = _Values(columns.own, one.kind.metrics)
        self._inner = _Values(columns.part, one.kind.part_metrics)
        self._parts: list[int] | None = None
        self._speakers: dict[tuple[str, int], DeviceId] = {}

    def read(self, connection: Connection, from_ms: int, to_ms: int) -> Iterator[StoredMessage]:
        """What was reported and what happened, in no order."""
        yield from self._read_readings(connection, from_ms, to_ms)
        yield from self._read_events(connection, from_ms, to_ms)

    def _read_readings(self, connection: Connection, from_ms: int, to_ms: int) -> Iterator[StoredMessage]:
        here = {"station": self._device.station, "n": self._device.n, "from_ms": from_ms, "to_ms": to_ms}
        parts = self._read_parts(connection, here)
        device, fields, speaker = self._device, self._own.fields, self._speaker
        skip = len(_OWN)
        for row in _rows(connection, self._asked.own, here):
            at_ms, seq, boot, received_ms, speaker_kind, speaker_n, ts_ms, extra = row[:skip]
            own = fields(row[skip:])
            inner = parts.get((at_ms, seq, boot), _NO_PARTS) if parts else _NO_PARTS
            if extra is not None:
                own, inner = self._with_unknown(own, inner, extra)
            yield StoredMessage(
                received_ms, seq, device, speaker(speaker_kind, speaker_n), boot, at_ms, ts_ms, own, inner
            )

    def _read_parts(
        self, connection: Connection, here: Mapping[str, Any]
    ) -> dict[tuple[int, int, str], dict[int, Fields]]:
        found: dict[tuple[int, int, str], dict[int, Fields]] = {}
        if self._asked.part is None or self._asked.parts is None:
            return found
        if self._parts is None:
            self._parts = []
            after: int | None = SELF
            while after is not None:
                after = connection.scalar(self._asked.parts, {**here, "part": after})
                if after is not None:
                    self._parts.append(after)
        fields, skip = self._inner.fields, len(_PART)
        for part in self._parts:
            for row in _rows(connection, self._asked.part, {**here, "part": part}):
                key, values = row[:skip], fields(row[skip:])
                inner = found.get(key)
                if inner is None:
                    found[key] = {part: values}
                else:
                    inner[part] = values
        return found

    def _with_unknown(
        self, own: Fields, inner: Mapping[int, Fields], extra: str
    ) -> tuple[Fields, Mapping[int, Fields]]:
        """A value out of its range was kept beside the row: it counted as unknown, not as absent."""
        field = self._kind.parts.field if self._kind.parts else ""
        for path in json.loads(extra):
            name, _, rest = path.partition(".")
            if name in self._columns.own:
                own = {**own, name: None}
            elif name == field:
                number, _, metric = rest.partition(".")
                if number.isdecimal() and metric in self._columns.part:
                    part = int(number)
                    inner = {**inner, part: {**inner.get(part, _NO_FIELDS), metric: None}}
        return own, inner

    def _speaker(self, kind: str, n: int) -> DeviceId:
        found = self._speakers.get((kind, n))
        if found is None:
            found = self._speakers[kind, n] = DeviceId(self._device.station, kind, n)
        return found

    def _read_events(self, connection: Connection, from_ms: int, to_ms: int) -> Iterator[StoredMessage]:
        device = self._device
        wanted = sa.select(event).where(
            event.c.station == device.station,
            event.c.kind == device.kind,
            event.c.n == device.n,
            event.c.at_ms >= from_ms,
            event.c.at_ms < to_ms,
        )
        for row in connection.execute(wanted).all():
            body = json.loads(row.body)
            fields = event_fields(self._kind, row.type, row.part, body)
            yield StoredMessage(
                row.received_ms,
                row.seq,
                device,
                self._speaker(row.speaker_kind, row.speaker_n),
                row.boot,
                row.at_ms,
                row.device_ts_ms,
                fields if row.part == SELF else _NO_FIELDS,
                _NO_PARTS if row.part == SELF else {row.part: fields},
                row.type,
                row.part,
                body,
            )


class _InfluxReader(_Reader):
    """One device whose readings are in InfluxDB. Who spoke for it is taken from the registry of today."""

    def __init__(self, one: StoredDevice, columns: Columns, influx: InfluxSeries) -> None:
        super().__init__(one, columns)
        self._influx = influx
        self._spoke = one.speaker

    def _read_readings(self, connection: Connection, from_ms: int, to_ms: int) -> Iterator[StoredMessage]:
        for reading, beside in self._influx.messages(self._device, from_ms, to_ms):
            own: Fields = {name: reading.fields[name] for name in self._columns.own if name in reading.fields}
            inner: Mapping[int, Fields] = {
                part: {name: said[name] for name in self._columns.part if name in said}
                for part, said in reading.parts.items()
            }
            extra, ts_ms = beside.get("extra"), beside.get("device_ts_ms")
            if isinstance(extra, str):
                own, inner = self._with_unknown(own, inner, extra)
            yield StoredMessage(
                reading.received_ms, reading.seq, self._device, self._spoke, reading.boot, reading.at_ms,
                ts_ms if isinstance(ts_ms, int) else None, own, inner,
            )  # fmt: skip


def event_fields(kind: Kind, type_: str, part: int, body: Mapping[str, Any]) -> Fields:
    """The facts that follow from a kept event, as when it was decoded; none for a type that is no more."""
    model = kind.events.get(type_)
    if model is None:
        return _NO_FIELDS
    fields: dict[str, Value] = dict(model.sets)
    metrics = kind.part_metrics if part else kind.metrics
    for name in model.model_fields.keys() & metrics.keys() & body.keys():
        metric, value = metrics[name], body[name]
        if metric.type == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        fields[name] = value if metric.in_range(value) else None
    return fields


def _rows(connection: Connection, asked: Select[Any], here: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Plain tuples from the driver: millions of rows need no names."""
    result = connection.execute(asked, here)
    cursor = result.cursor
    assert cursor is not None
    rows: list[tuple[Any, ...]] = cursor.fetchall()  # type: ignore[assignment]
    result.close()
    return rows
