"""The hourly job: rolls up what devices said, station by station, and late hours once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from devices.kind import Kind
from devices.registry import kinds
from domain.ids import DeviceId
from rules.amenities import Amenity, Record, lookback_ms, person_ms, record_of, spans_of
from rules.station_view import Timetables
from rules.utilisation import Uptime, counted, uptime
from storage import registry, rollups, station_hours
from storage.database import Database
from storage.device_tables import boot
from storage.rollup_tables import late_hour, rolled
from storage.rollups import HOUR_MS, Hour, hour_of
from storage.series import Reading, Series
from storage.station_hours import UptimeHour, UseHour

AFTER_MS: Final = 600_000
"""An hour is rolled up when it has been over for so long: what is under way has arrived by then."""
AT_ONCE: Final = 6
"""Hours of a station in one step."""
STATIONS_AT_ONCE: Final = 12
"""So many stations' hours are read in one question: of a big cabinet, some 5,000 values each."""
COUNTER: Final = "in_total"

Told = Mapping[DeviceId, Sequence[Reading]]

# Behind, or late once more, or heard of in an hour that is over and never rolled up. Whoever never spoke, or
# began within this hour, costs no question: what it brought from before is found when the hour is over.
_DUE: Final = sa.union(
    sa.select(rolled.c.station).where(rolled.c.until_ms < sa.bindparam("until_ms")),
    sa.select(late_hour.c.station)
    .join(rolled, rolled.c.station == late_hour.c.station)
    .where(late_hour.c.hour_ms < rolled.c.until_ms),
    sa.select(boot.c.station)
    .where(boot.c.since_ms < sa.bindparam("until_ms"))
    .where(~sa.exists().where(rolled.c.station == boot.c.station)),
).order_by(sa.literal_column("1"))


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look brought, to be written in a short transaction after it."""

    station: str
    hours: list[Hour]
    uptime: list[UptimeHour]
    use: list[UseHour]


def roll(
    database: Database, series: Series, timetables: Timetables, now_ms: int, raw_from_ms: int = 0
) -> Iterator[None]:
    """Roll up what is not yet, one short transaction at each `next`; goes on where it was left.

    Readings are looked at beforehand, in transactions that keep nobody from writing. Late hours before
    `raw_from_ms` stay as they are: their readings may be gone already.
    """
    until_ms = hour_of(now_ms - AFTER_MS)
    stations = _stations(database, until_ms)
    while group := dict(islice(stations, STATIONS_AT_ONCE)):
        yield from _roll_new(database, series, timetables, group, until_ms)
        for station, devices in group.items():
            yield from _roll_late(database, series, timetables, station, devices, raw_from_ms)


def _roll_new(
    database: Database,
    series: Series,
    timetables: Timetables,
    group: Mapping[str, Sequence[DeviceId]],
    until_ms: int,
) -> Iterator[None]:
    """Roll up the hours that are over. Stations that stand at the same hour are read in one question."""
    at_ms = {name: _begin(database, series, name, devices, until_ms) for name, devices in group.items()}
    while (from_ms := min(at_ms.values(), default=until_ms)) < until_ms:
        to_ms = min(from_ms + AT_ONCE * HOUR_MS, until_ms)
        together = max(1, STATIONS_AT_ONCE * HOUR_MS // (to_ms - from_ms))
        stations = [name for name, reached_ms in at_ms.items() if reached_ms == from_ms][:together]
        told = _told(database, series, [one for name in stations for one in group[name]], from_ms, to_ms)
        for name in stations:
            found = _look(database, told, timetables, name, group[name], from_ms, to_ms)
            with database.write() as connection:
                _write(connection, found)
                station_hours.set_rolled(connection, name, to_ms)
            at_ms[name] = to_ms
            yield


def _told(database: Database, series: Series, devices: Sequence[DeviceId], from_ms: int, to_ms: int) -> Told:
    """What the devices said in these hours, and before as far as it reaches into them."""
    before_ms = max((lookback_ms(kinds()[one.kind]) for one in devices), default=0)
    with database.read() as connection:
        return series.readings_of(connection, devices, from_ms - before_ms, to_ms)


def _stations(database: Database, until_ms: int) -> Iterator[tuple[str, list[DeviceId]]]:
    """Those that may have hours to roll up, and their devices: of a province at rest, none."""
    with database.read() as connection:
        due = list(connection.scalars(_DUE, {"until_ms": until_ms}))
    for station in due:
        with database.read() as connection:
            devices = [one.id for one in registry.list_devices(connection, area=station)]
        if devices:
            yield station, [one for one in devices if one.kind in kinds()]


def _begin(
    database: Database, series: Series, station: str, devices: Sequence[DeviceId], until_ms: int
) -> int:
    with database.read() as connection:
        done_ms = rollups.rolled_until(connection, station)
        if done_ms is not None:
            return done_ms
        first = [series.first_ms(connection, one) for one in devices]
    return min((hour_of(at_ms) for at_ms in first if at_ms is not None), default=until_ms)


def _roll_late(
    database: Database,
    series: Series,
    timetables: Timetables,
    station: str,
    devices: Sequence[DeviceId],
    raw_from_ms: int,
) -> Iterator[None]:
    with database.read() as connection:
        done_ms = rollups.rolled_until(connection, station)
        marks = connection.execute(
            sa.select(late_hour.c.hour_ms, late_hour.c.times)
            .where(late_hour.c.station == station)
            .order_by(late_hour.c.hour_ms)
        ).all()
    for hour_ms, times in marks:
        if done_ms is None or hour_ms >= done_ms:
            continue
        again = [hour_ms] if hour_ms >= raw_from_ms else []
        with database.read() as connection:
            # The next hour that was heard counted on from what was known then.
            next_ms = station_hours.next_heard(connection, station, hour_ms)
        if again and next_ms is not None and next_ms < done_ms:
            again.append(next_ms)
        for at, one in enumerate(again):
            told = _told(database, series, devices, one, one + HOUR_MS)
            found = _look(database, told, timetables, station, devices, one, one + HOUR_MS)
            with database.write() as connection:
                _write(connection, found)
                if at == len(again) - 1:
                    _forget(connection, station, hour_ms, times)
            yield
        if not again:
            with database.write() as connection:
                _forget(connection, station, hour_ms, times)
            yield


def _forget(connection: Connection, station: str, hour_ms: int, times: int) -> None:
    """Take the mark away, unless something later came late again."""
    connection.execute(
        sa.delete(late_hour).where(
            late_hour.c.station == station, late_hour.c.hour_ms == hour_ms, late_hour.c.times == times
        )
    )


def _look(
    database: Database,
    told: Told,
    timetables: Timetables,
    station: str,
    devices: Sequence[DeviceId],
    from_ms: int,
    to_ms: int,
) -> _Found:
    hours: list[Hour] = []
    records: list[Record] = []
    visits: dict[int, int] = {}
    received: dict[int, int] = {}
    with database.read() as connection:
        for one in devices:
            kind = kinds()[one.kind]
            begin_ms = from_ms - lookback_ms(kind)
            readings = [reading for reading in told[one] if reading.at_ms >= begin_ms]
            records.append(record_of(kind, readings))
            inside = [reading for reading in readings if reading.at_ms >= from_ms]
            made = rollups.hours_of(one, inside)
            hours += made
            for hour in made:
                if hour.part == 0:
                    got = min(hour.messages, expected_reports(kind))
                    received[hour.hour_ms] = received.get(hour.hour_ms, 0) + got
            if COUNTER in kind.metrics:
                for hour_ms, came in _visits(connection, one, inside, from_ms, to_ms).items():
                    visits[hour_ms] = visits.get(hour_ms, 0) + came
        around = station_hours.circumstances(connection, timetables, station, from_ms, to_ms)
        acts = station_hours.acts(connection, station, devices, from_ms, to_ms)
    spans = spans_of(records, around, from_ms, to_ms)
    expected = sum(expected_reports(kinds()[one.kind]) for one in devices)
    up: list[UptimeHour] = []
    use: list[UseHour] = []
    for hour_ms in range(from_ms, to_ms, HOUR_MS):
        ends_ms = hour_ms + HOUR_MS
        lengths: dict[Amenity, Uptime] = {name: uptime(one, hour_ms, ends_ms) for name, one in spans.items()}
        up += [UptimeHour(station, name, hour_ms, length) for name, length in lengths.items()]
        spent, known = person_ms(records, hour_ms, ends_ms)
        openings, jams, swaps = acts.get(hour_ms, (0, 0, 0))
        use.append(
            UseHour(
                station, hour_ms, visits.get(hour_ms), spent, known, openings, jams, swaps,
                received.get(hour_ms, 0), expected,
            )
        )  # fmt: skip
    return _Found(station, hours, up, use)


def expected_reports(kind: Kind) -> int:
    """Messages that a healthy device of this kind sends in an hour at the least."""
    return HOUR_MS // (kind.period_s * 1000)


def _visits(
    connection: Connection, sensor: DeviceId, inside: Sequence[Reading], from_ms: int, to_ms: int
) -> dict[int, int]:
    """How many came in each hour. A counter that was silent for long tells later how far it went."""
    before = rollups.last_before(connection, sensor, from_ms)
    known = before.metrics.get(COUNTER) if before is not None else None
    last = known.last if known is not None else None
    found: dict[int, int] = {}
    by_hour: dict[int, list[int]] = {}
    for reading in inside:
        total = reading.fields.get(COUNTER)
        if isinstance(total, int) and not isinstance(total, bool):
            by_hour.setdefault(hour_of(reading.at_ms), []).append(total)
    for hour_ms in sorted(by_hour):
        totals = by_hour[hour_ms]
        if isinstance(last, int) and not isinstance(last, bool):
            totals = [last, *totals]
        found[hour_ms] = counted(totals)
        last = totals[-1]
    return found


def _write(connection: Connection, found: _Found) -> None:
    rollups.put_hours(connection, found.hours)
    station_hours.put_uptime(connection, found.uptime)
    station_hours.put_use(connection, found.use)
