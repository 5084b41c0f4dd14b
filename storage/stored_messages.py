"""Messages as they were kept, read again in the order in which they came, some hours at a time."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter, lt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from devices.kind import Kind
from devices.state import SELF
from domain.facts import Value
from domain.ids import DeviceId
from rules.stored import StoredDevice, StoredMessage
from rules.track import Fields, Heads, Hours, Shared, Sheet, Track, message_of, sort_out
from storage.database import Database
from storage.series_tables import series_tables
from storage.stored_columns import AHEAD, ColumnReader
from storage.tables import event

if TYPE_CHECKING:
    from storage.influx_series import InfluxSeries

CHUNK_MS: Final = 24 * 3_600_000
_RECEIVED: Final = itemgetter(0, 1)

_NO_FIELDS: Final[Fields] = {}
_NO_PARTS: Final[Mapping[int, Fields]] = {}
_NO_HEADS: Final = Heads((), (), (), (), (), (), ())


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
) -> Iterator[Hours]:
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
        tracks, here = [], late
        with database.read() as connection:
            for reader in readers:
                track, alone = reader.read_readings(connection, begin_ms, end_ms)
                if track is not None:
                    tracks.append(track)
                here += alone
                here += reader.read_events(connection, begin_ms, end_ms)
        # What counts later is received later: nothing that is still to be read belongs before `end_ms`.
        here.sort(key=_RECEIVED)
        at = bisect_left(here, end_ms, key=lambda one: one.received_ms)
        here, late = here[:at], here[at:]
        yield Hours(tracks, here)
    yield Hours([], late)


_BESIDE: Final = ("seq", "boot", "received_ms", "speaker_kind", "speaker_n", AHEAD, "extra")
_KEY: Final = ("seq", "boot")


class _Reader:
    """One device."""

    def __init__(self, one: StoredDevice, columns: Columns) -> None:
        self._device, self._kind = one.device, one.kind
        self._columns = columns
        self._tables = series_tables()[one.kind.name]
        self._here = {"station": one.device.station, "n": one.device.n}
        self._rows = ColumnReader(self._tables.own, self._here, (*_BESIDE, *columns.own))
        self._own = Shared(columns.own, one.kind.metrics)
        self._inner = Shared(columns.part, one.kind.part_metrics)
        self._parts: dict[int, ColumnReader] | None = None
        self._speakers: dict[tuple[str, int], DeviceId] = {}

    def read_readings(
        self, connection: Connection, from_ms: int, to_ms: int
    ) -> tuple[Track | None, list[StoredMessage]]:
        """What was reported: a track, and what does not fit into it."""
        heads, sheets = self._read_columns(connection, from_ms, to_ms)
        track, odd = sort_out(self._device, heads, sheets, to_ms)
        alone = []
        for at in odd:
            message, extra = message_of(self._device, heads, sheets, at), heads.extra[at]
            if extra is not None:
                own, inner = self._with_unknown(message.fields, message.parts, extra)
                message = message._replace(fields=own, parts=inner)
            alone.append(message)
        return track, alone

    def _read_columns(
        self, connection: Connection, from_ms: int, to_ms: int
    ) -> tuple[Heads, Mapping[int, Sheet]]:
        at_ms, columns, still = self._rows.read(connection, from_ms, to_ms)
        if not at_ms:
            return _NO_HEADS, {}
        seq, boot, received_ms, kinds, numbers, ahead, extra = (columns[name] for name in _BESIDE)
        if still.issuperset(("speaker_kind", "speaker_n")):
            speaker = (self._speaker(kinds[0], numbers[0]),) * len(at_ms)
        else:
            speaker = tuple(map(self._speaker, kinds, numbers))
        ts_ms = _device_times(at_ms, ahead, still=AHEAD in still)
        heads = Heads(at_ms, seq, boot, received_ms, speaker, ts_ms, extra)
        sheets = {SELF: Sheet([columns[name] for name in self._own.names], self._own, still=still)}
        parts = self._part_readers(connection)
        one_by_one = not parts or all(map(lt, at_ms, at_ms[1:]))
        for part, reader in parts.items():
            rows = reader.read(connection, from_ms, to_ms) if one_by_one else None
            if rows is not None and rows.at_ms == at_ms:
                # A row of a part is never without that of its report, which the time alone names.
                sheets[part] = Sheet(list(rows.columns.values()), self._inner, still=rows.still)
            else:
                sheets[part] = self._sorted_in(heads, connection, part, from_ms, to_ms)
        return heads, sheets

    def _part_readers(self, connection: Connection) -> dict[int, ColumnReader]:
        table, names = self._tables.part, self._inner.names
        if self._parts is None:
            self._parts = {}
            if table is not None and names:
                for part in _numbers(connection, table, self._here):
                    self._parts[part] = ColumnReader(table, {**self._here, "part": part}, names)
        return self._parts

    def _sorted_in(self, heads: Heads, connection: Connection, part: int, from_ms: int, to_ms: int) -> Sheet:
        """The values of a part, brought beside the reports that they came with."""
        assert self._tables.part is not None
        names, here = self._inner.names, {**self._here, "part": part}
        reader = ColumnReader(self._tables.part, here, (*_KEY, *names))
        at_ms, columns, _ = reader.read(connection, from_ms, to_ms)
        seq, boot, *values = columns.values()
        known = dict(zip(zip(at_ms, seq, boot, strict=True), zip(*values, strict=True), strict=True))
        found = [known.get(key) for key in zip(heads.at_ms, heads.seq, heads.boot, strict=True)]
        absent = {at for at, row in enumerate(found) if row is None}
        nothing = (None,) * len(names)
        return Sheet(list(zip(*(row or nothing for row in found), strict=True)), self._inner, absent)

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

    def read_events(self, connection: Connection, from_ms: int, to_ms: int) -> Iterator[StoredMessage]:
        """What happened."""
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

    def _read_columns(
        self, connection: Connection, from_ms: int, to_ms: int
    ) -> tuple[Heads, Mapping[int, Sheet]]:
        found = self._influx.messages(self._device, from_ms, to_ms)
        if not found:
            return _NO_HEADS, {}
        heads, parts = [], {part for reading, _ in found for part in reading.parts}
        for reading, beside in found:
            extra, ts_ms = beside.get("extra"), beside.get("device_ts_ms")
            heads.append(
                (
                    reading.at_ms, reading.seq, reading.boot, reading.received_ms, self._spoke,
                    ts_ms if isinstance(ts_ms, int) else None, extra if isinstance(extra, str) else None,
                )
            )  # fmt: skip
        sheets = {SELF: _sheet_of([reading.fields for reading, _ in found], self._own)}
        if self._inner.names:
            for part in sorted(parts):
                sheets[part] = _sheet_of([reading.parts.get(part) for reading, _ in found], self._inner)
        return Heads(*zip(*heads, strict=True)), sheets


def _sheet_of(said: Sequence[Fields | None], shared: Shared) -> Sheet:
    columns = [tuple(None if one is None else one.get(name) for one in said) for name in shared.names]
    return Sheet(columns, shared, {at for at, one in enumerate(said) if one is None})


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


def _device_times(
    at_ms: tuple[int, ...], ahead: tuple[int | None, ...], *, still: bool
) -> tuple[int | None, ...]:
    if still and not ahead[0]:
        return at_ms if ahead[0] == 0 else (None,) * len(at_ms)
    return tuple(None if more is None else one_ms + more for one_ms, more in zip(at_ms, ahead, strict=True))


def _numbers(connection: Connection, table: Table, here: Mapping[str, Any]) -> list[int]:
    """The parts of a device of which there is any row."""
    this = [table.c[name] == value for name, value in here.items()]
    found: list[int] = []
    while True:
        after = found[-1] if found else SELF
        part = connection.scalar(sa.select(sa.func.min(table.c.part)).where(*this, table.c.part > after))
        if part is None:
            return found
        found.append(part)
