"""Replays what is stored through two rulebooks, one station after the other, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from devices.kind import Export, Kind
from devices.registry import kinds
from domain.ids import DeviceId
from rules.away import HubAway
from rules.backtest import StationReplay
from rules.books import Books, BookText
from rules.calendar import Calendar
from rules.judges import judges_of
from rules.premises import told_for
from rules.rulebook import Rulebook
from rules.side_by_side import Sides, side_by_side
from rules.station_view import StationInfo, Timetables
from rules.stored import Reset, StoredDevice, StoredStation
from rules.tally import Tally
from storage import registry, rulebooks, stations
from storage.areas import within
from storage.database import Database
from storage.hub_away import hub_away
from storage.stations import Station
from storage.stored_messages import Columns, all_columns, read_station
from storage.tables import alert, boot, device, station

if TYPE_CHECKING:
    from storage.influx_series import InfluxSeries

WARM_UP_MS: Final = 12 * 3_600_000
"""What is read before the period, so that facts that look back know what was."""


@dataclass(frozen=True, slots=True)
class Period:
    """What is asked: stations of an area (or one station), from `from_ms` up to `to_ms`."""

    from_ms: int
    to_ms: int
    area: str = ""
    station: str | None = None


class Stopped(Exception):
    """Whoever asked does not want to wait any longer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rulebooks, ready to be judged by: stations of one county share it."""

    sides: Sides
    wanted: Mapping[str, Columns]
    kinds: Mapping[str, Kind]

    @staticmethod
    def of(before: Rulebook, after: Rulebook) -> Pair:
        sides = side_by_side(before, after)
        slim = {kind.name: slim_kind(kind, sides) for kind in kinds().values()}
        return Pair(sides, wanted_columns(sides), slim)


Pairs = dict[tuple[str, str], Pair]
"""By the areas of the two rulebooks."""


def books_in_force(database: Database) -> tuple[BookText, ...]:
    """The texts of the rulebooks that decide now, the province's first."""
    with database.read() as connection:
        rows = rulebooks.all_active(connection)
        if not rows or rows[0].area != rulebooks.PROVINCE:
            rulebooks.active(connection)
    return tuple(
        BookText(
            row.text,
            row.version,
            f"rulebook {row.version}",
            "" if row.area == rulebooks.PROVINCE else row.area,
        )
        for row in rows
    )


def never() -> bool:
    """Nobody ends it early."""
    return False


def station_ids(database: Database, period: Period) -> list[str]:
    """The stations with devices that lie in the area, in order."""
    with database.read() as connection:
        wanted = sa.select(station.c.id).where(
            within(period.area, station.c.area, station.c.id),
            sa.exists().where(device.c.station == station.c.id),
        )
        if period.station is not None:
            wanted = wanted.where(station.c.id == period.station)
        return list(connection.scalars(wanted.order_by(station.c.id)))


def backtest(
    database: Database,
    before: Books,
    after: Books,
    period: Period,
    *,
    only: Sequence[str] | None = None,
    away: HubAway | None = None,
    tally: Tally | None = None,
    stop: Callable[[], bool] = never,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    influx: InfluxSeries | None = None,
    calendar: Calendar | None = None,
    pairs: Pairs | None = None,
) -> Tally:
    """Count what each rulebook would have raised, in all stations of the period or `only` in these.

    `stop` is asked now and then; Stopped is raised when it says yes. `influx` has the readings where they
    are not in tables. `calendar` knows the holidays by which stations open. `pairs` keeps what was made of
    these two rulebooks for whoever asks again.
    """
    pairs = {} if pairs is None else pairs
    ids = station_ids(database, period) if only is None else only
    begin_ms = period.from_ms - WARM_UP_MS
    timetables = Timetables(calendar or Calendar())
    tally = tally or Tally(period.to_ms)
    if away is None:
        away = hub_away(database, begin_ms, period.to_ms, influx)
    for done, id_ in enumerate(ids):
        progress(done, len(ids))
        with database.read() as connection:
            known = stations.get_station(connection, id_)
            old, new = before.of(known.area, id_), after.of(known.area, id_)
            key = (old.area, new.area)
            pair = pairs.get(key) or pairs.setdefault(key, Pair.of(old, new))
            here = _load(connection, known, pair.kinds)
            resets = _resets(connection, id_, begin_ms, period.to_ms)
        if here.devices:
            _replay(database, here, resets, pair, period, begin_ms, away, timetables, tally, stop, influx)
    progress(len(ids), len(ids))
    return tally


def _replay(
    database: Database,
    here: StoredStation,
    resets: list[Reset],
    pair: Pair,
    period: Period,
    begin_ms: int,
    away: HubAway,
    timetables: Timetables,
    tally: Tally,
    stop: Callable[[], bool],
    influx: InfluxSeries | None,
) -> None:
    judges = judges_of(pair.sides, here.names)
    replay = StationReplay(
        here, judges, away, begin_ms, period.from_ms,
        lambda side, one: tally.note(side, here.adcode, one), resets, timetables,
    )  # fmt: skip
    count = 0
    for hours in read_station(database, here.devices, pair.wanted, begin_ms, period.to_ms, influx):
        if stop():
            raise Stopped
        replay.take_all(hours)
        count += sum(len(track) for track in hours.tracks) + len(hours.singles)
    replay.end(period.to_ms)
    for judge in judges:
        tally.note_failed(judge.side, judge.watcher.errors)
    tally.stations += 1
    tally.devices += len(here.devices)
    tally.messages += count


def _load(connection: Connection, known: Station, known_kinds: Mapping[str, Kind]) -> StoredStation:
    """The station as it is registered now. Devices of a kind that is no more are left out."""
    id_ = known.id
    devices = []
    for one in registry.list_devices(connection, area=id_):
        kind = known_kinds.get(one.id.kind)
        if kind is not None:
            devices.append(StoredDevice(one.id, kind, one.speaker))
    boots = connection.execute(
        sa.select(boot.c.kind, boot.c.n, boot.c.boot, boot.c.since_ms).where(boot.c.station == id_)
    )
    return StoredStation(
        id_,
        known.area,
        (known.name, known.name_en or known.name),
        tuple(devices),
        {(DeviceId(id_, kind, n), name): since_ms for kind, n, name, since_ms in boots},
        StationInfo(
            known.id, known.adcode, known.hours or "", known.night_hours, known.capacity, known.status
        ),
    )


def _resets(connection: Connection, id_: str, from_ms: int, to_ms: int) -> list[Reset]:
    """What people ended by hand: a latched alert would otherwise stay open to the end."""
    found = connection.execute(
        sa.select(alert.c.resolved_ms, alert.c.kind, alert.c.n, alert.c.part, alert.c.code)
        .where(
            alert.c.station == id_,
            alert.c.resolved_reason == "reset",
            alert.c.resolved_ms >= from_ms,
            alert.c.resolved_ms < to_ms,
        )
        .order_by(alert.c.resolved_ms)
    )
    return [Reset(at_ms, DeviceId(id_, kind, n), part, code) for at_ms, kind, n, part, code in found]


def slim_kind(kind: Kind, sides: Sides) -> Kind:
    """The kind with those derived facts and exports only that some rule can see."""
    told = _told(sides)
    exports = tuple(one for one in kind.exports if one.fact in told)
    reads = _read_of(kind, sides, exports)
    if reads is None:
        return replace(kind, exports=exports)
    parts = kind.parts
    if parts is not None:
        parts = replace(parts, derived=tuple(one for one in parts.derived if one.name in reads))
    derived = tuple(one for one in kind.derived if one.name in reads)
    return replace(kind, exports=exports, derived=derived, parts=parts)


def wanted_columns(sides: Sides) -> dict[str, Columns]:
    """For each kind the columns that some rule can see; nothing else has to leave the database."""
    found = {}
    for kind in kinds().values():
        slim = slim_kind(kind, sides)
        reads = _read_of(kind, sides, slim.exports)
        found[kind.name] = all_columns(kind) if reads is None else _seen(slim, reads)
    return found


def _read_of(kind: Kind, sides: Sides, exports: Iterable[Export]) -> set[str] | None:
    """The facts that rules or exports look at; None when only the code of an export knows from what."""
    reads = {name for _, book in sides.items() for rule in book.for_kind(kind.name) for name in rule.reads}
    for export in exports:
        if export.sources is None:
            return None
        reads.update(export.sources)
    return reads


def _told(sides: Sides) -> set[str]:
    """What devices tell for the rules over whole stations."""
    return told_for(name for _, book in sides.items() for rule in book.station_rules for name in rule.reads)


def _seen(kind: Kind, reads: Iterable[str]) -> Columns:
    own, part = set(reads), set(reads)
    own |= {one.source for one in kind.derived}
    part |= {one.source for one in kind.parts.derived} if kind.parts else set()
    return Columns(
        tuple(name for name in kind.metrics if name in own),
        tuple(name for name in kind.part_metrics if name in part),
    )
