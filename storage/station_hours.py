"""Hours of a station: how long each amenity was up, how much it was used, and what stood around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound
from domain.ids import DeviceId
from rules.amenities import STUCK, Circumstances, Period
from rules.station_view import StationInfo, Timetables
from rules.utilisation import Uptime
from storage.bulk import upsert
from storage.rollup_tables import rolled, uptime_hour, use_hour
from storage.rollups import hour_of
from storage.stations import Station, get_station
from storage.tables import alert, event

UNLOCKED: Final = "unlocked"
JAMMED: Final = "jammed"
SWAPPED: Final = "swapped"
_EDGES_AT_MOST: Final = 1000


class UptimeHour(NamedTuple):
    """How long an amenity of a station was up in the hour that begins at `hour_ms`."""

    station: str
    amenity: str
    hour_ms: int
    uptime: Uptime


class UseHour(NamedTuple):
    """How a station was used in an hour; `visits` is None where nothing counted. No person stands in it.

    `received` counts reports, of each device at most the `expected` ones.
    """

    station: str
    hour_ms: int
    visits: int | None
    person_ms: int
    counted_ms: int
    openings: int
    jams: int
    swaps: int
    received: int
    expected: int


def put_uptime(connection: Connection, hours: Sequence[UptimeHour]) -> None:
    """Write hours; the newest word wins."""
    upsert(uptime_hour).run(connection, [(*hour[:3], *hour.uptime) for hour in hours])


def put_use(connection: Connection, hours: Sequence[UseHour]) -> None:
    """Write hours; the newest word wins."""
    upsert(use_hour).run(connection, list(hours))


def set_rolled(connection: Connection, station: str, until_ms: int) -> None:
    """Say that every hour before this one is rolled up."""
    upsert(rolled).run(connection, [(station, until_ms)])


def next_heard(connection: Connection, station: str, after_ms: int) -> int | None:
    """The first hour after this one in which the station was heard."""
    found: int | None = connection.scalar(
        sa.select(sa.func.min(use_hour.c.hour_ms)).where(
            use_hour.c.station == station, use_hour.c.hour_ms > after_ms, use_hour.c.received > 0
        )
    )
    return found


def circumstances(
    connection: Connection, timetables: Timetables, station: str, from_ms: int, to_ms: int
) -> Circumstances:
    """When a station was meant to be closed, kept people out, or did not know how many were inside."""
    try:
        closed = closed_periods(get_station(connection, station), timetables, from_ms, to_ms)
    except NotFound:
        closed = []
    refused: list[Period] = []
    stuck: list[Period] = []
    wanted = sa.select(alert.c.code, alert.c.refuse_entry, alert.c.happened_ms, alert.c.resolved_ms).where(
        alert.c.station == station,
        alert.c.happened_ms < to_ms,
        sa.or_(alert.c.resolved_ms.is_(None), alert.c.resolved_ms > from_ms),
    )
    for code, refuses, happened_ms, resolved_ms in connection.execute(wanted):
        period = (happened_ms, to_ms if resolved_ms is None else resolved_ms)
        if refuses:
            refused.append(period)
        if code == STUCK:
            stuck.append(period)
    return Circumstances(closed, refused, stuck)


def closed_periods(station: Station, timetables: Timetables, from_ms: int, to_ms: int) -> list[Period]:
    """When nobody was meant to come: outside the hours, or all the time while the station is out of service.

    A station whose hours are not known is never taken for closed.
    """
    if station.status != "active":
        return [(from_ms, to_ms)]
    if not station.hours and not station.night_hours:
        return []
    info = StationInfo(
        id=station.id, adcode=station.adcode, hours=station.hours or "", night_hours=station.night_hours
    )
    closed: list[Period] = []
    at_ms = from_ms
    for _ in range(_EDGES_AT_MOST):
        state = timetables.state(info, at_ms)
        until_ms = to_ms if state.until_ms is None else min(state.until_ms, to_ms)
        if state.open is False:
            closed.append((at_ms, until_ms))
        if until_ms >= to_ms or until_ms <= at_ms:
            break
        at_ms = until_ms
    return closed


def acts(
    connection: Connection, station: str, devices: Sequence[DeviceId], from_ms: int, to_ms: int
) -> dict[int, tuple[int, int, int]]:
    """By hour: how often a bolt opened, how often it jammed, how often a battery was swapped."""
    found: dict[int, list[int]] = {}
    places = {UNLOCKED: 0, JAMMED: 1, SWAPPED: 2}
    for one in devices:
        wanted = sa.select(event.c.at_ms, event.c.type).where(
            event.c.station == station,
            event.c.kind == one.kind,
            event.c.n == one.n,
            event.c.at_ms >= from_ms,
            event.c.at_ms < to_ms,
            event.c.type.in_(places),
        )
        for at_ms, type_ in connection.execute(wanted):
            found.setdefault(hour_of(at_ms), [0, 0, 0])[places[type_]] += 1
    return {hour_ms: (opened, jams, swaps) for hour_ms, (opened, jams, swaps) in found.items()}
