"""Hours of many stations are the same from tables and from InfluxDB, which is asked few questions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.calendar import Calendar
from rules.station_view import Timetables
from storage import registry, rollups, stations
from storage.database import Database, open_database
from storage.influx import Influx, Param
from storage.influx_answer import Row
from storage.influx_points import adcode_of, lines
from storage.influx_series import InfluxSeries
from storage.registry import Device
from storage.rolled_series import RolledSeries
from storage.rolling import AFTER_MS, STATIONS_AT_ONCE, roll
from storage.rollups import HOUR_MS, Hour
from storage.series import Reading, SqlSeries
from storage.series_row import SeriesRow
from storage.states import upsert_boots
from tests.storage.rows import NOON_MS, boot_of, reading, station

STATIONS = [f"331002-{n:04}" for n in range(1, 31)]
KINDS = ("swap_cabinet", "occupancy_sensor", "climate_sensor")
HOURS = 3
MINUTE_MS = 60_000
DONE_MS = NOON_MS + HOURS * HOUR_MS + AFTER_MS
TIMETABLES = Timetables(Calendar())


class Counted(InfluxSeries):
    """Counts its questions."""

    asked = 0

    def _ask(self, flux: str, params: Mapping[str, Param]) -> list[Row]:
        self.asked += 1
        return super()._ask(flux, params)


class Place(NamedTuple):
    """Somewhere to keep readings, and how they get there at once."""

    db: Database
    raw: SqlSeries | Counted
    keep: Callable[[list[SeriesRow]], None]


@pytest.fixture(params=["tables", pytest.param("influx", marks=pytest.mark.integration)])
def place(request: pytest.FixtureRequest, migrated_sqlite_url: str) -> Iterator[Place]:
    database = open_database(migrated_sqlite_url)
    with database.write() as connection:
        stations.put_stations(connection, [station(one, hours="24/7") for one in STATIONS])
        registry.put_devices(
            connection,
            [Device(DeviceId(one, kind, 1), edge_box(one)) for one in STATIONS for kind in KINDS],
        )
    if request.param == "influx":
        influx = Influx(request.getfixturevalue("influx_at"))

        def send(rows: list[SeriesRow]) -> None:
            influx.write(
                "\n".join(line for row in rows for line in lines(adcode_of(row.device, ""), row)).encode()
            )

        yield Place(database, Counted(influx), send)
        influx.close()
    else:

        def keep(rows: list[SeriesRow]) -> None:
            with database.write() as connection:
                for kind in KINDS:
                    SqlSeries().append(connection, kind, [row for row in rows if row.device.kind == kind])

        yield Place(database, SqlSeries(), keep)
    database.close()


def said(from_ms: int, to_ms: int) -> list[SeriesRow]:
    """Every device says something each ten minutes; the last station has nothing to say."""
    chance = random.Random(from_ms)
    made = []
    for at, name in enumerate(STATIONS[:-1]):
        for seq, at_ms in enumerate(range(from_ms + at, to_ms, 10 * MINUTE_MS)):
            temp_c = round(chance.uniform(10, 40), 1)
            values: dict[str, dict[str, Value]] = {
                "occupancy_sensor": {"count_raw": chance.randrange(9), "presence": True, "in_total": 5 * seq},
                "climate_sensor": {"temp_c": temp_c},
                "swap_cabinet": {"smoke": False},
            }
            for n, (kind, fields) in enumerate(values.items()):
                slots = {2: {"temp_c": temp_c, "state": "full"}} if kind == "swap_cabinet" else {}
                device = DeviceId(name, kind, 1)
                made.append(reading(device, 10 * seq + n, at_ms + n, parts=slots, **fields))
    return made


def expected(rows: list[SeriesRow], device: DeviceId) -> list[Hour]:
    return rollups.hours_of(
        device,
        [
            Reading(row.at_ms, row.received_ms, row.boot, row.seq, row.fields, row.parts)
            for row in rows
            if row.device == device
        ],
    )


def begin(place: Place, since_ms: int) -> None:
    """All but the last station have spoken since then."""
    with place.db.write() as connection:
        upsert_boots(connection, [boot_of(name, since_ms) for name in STATIONS[:-1]])


def kept(place: Place, device: DeviceId) -> list[Hour]:
    with place.db.read() as connection:
        found = [rollups.between(connection, device, 0, DONE_MS, part) for part in (0, 2)]
    return [hour for hours in found for hour in hours]


def test_hours_of_many_stations_hold_what_each_device_said(place: Place) -> None:
    begin(place, NOON_MS)
    rows = said(NOON_MS, NOON_MS + HOURS * HOUR_MS)
    place.keep(rows)
    # One of them is further than the rest, and one comes late.
    with place.db.write() as connection:
        for hour in (0, 1):
            rollups.mark_late(connection, [rows[0]._replace(at_ms=NOON_MS + hour * HOUR_MS)], DONE_MS)
    series = RolledSeries(place.raw)
    steps = sum(1 for _ in roll(place.db, series, TIMETABLES, DONE_MS))

    assert steps >= len(STATIONS) - 1
    for name in (STATIONS[0], STATIONS[STATIONS_AT_ONCE], STATIONS[-2], STATIONS[-1]):
        for kind in KINDS:
            device = DeviceId(name, kind, 1)
            assert kept(place, device) == expected(rows, device), device
    assert len(kept(place, DeviceId(STATIONS[0], "swap_cabinet", 1))) == 2 * HOURS
    assert sum(1 for _ in roll(place.db, series, TIMETABLES, DONE_MS)) == 0


def test_an_hour_later_one_question_is_for_many_stations(place: Place) -> None:
    series = RolledSeries(place.raw)
    begin(place, NOON_MS)
    place.keep(said(NOON_MS, NOON_MS + HOUR_MS))
    for _ in roll(place.db, series, TIMETABLES, NOON_MS + HOUR_MS + AFTER_MS):
        pass
    more = said(NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS)
    place.keep(more)
    if isinstance(place.raw, Counted):
        place.raw.asked = 0
    for _ in roll(place.db, series, TIMETABLES, NOON_MS + 2 * HOUR_MS + AFTER_MS):
        pass

    device = DeviceId(STATIONS[5], "occupancy_sensor", 1)
    assert kept(place, device)[1:] == expected(more, device)
    if isinstance(place.raw, Counted):
        assert place.raw.asked <= len(STATIONS) // STATIONS_AT_ONCE + 1


def test_stations_at_rest_cost_one_question_of_the_database_for_all(place: Place) -> None:
    begin(place, NOON_MS)
    place.keep(said(NOON_MS, NOON_MS + HOUR_MS))
    series, now_ms = RolledSeries(place.raw), NOON_MS + HOUR_MS + AFTER_MS
    for _ in roll(place.db, series, TIMETABLES, now_ms):
        pass
    asked: list[str] = []

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement != "BEGIN":
            asked.append(statement)

    try:
        assert sum(1 for _ in roll(place.db, series, TIMETABLES, now_ms + 10 * MINUTE_MS)) == 0
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(asked) == 1


class Watched(RolledSeries):
    """Notes for which devices it is asked when they began."""

    def __init__(self, raw: SqlSeries | Counted) -> None:
        super().__init__(raw)
        self.asked: list[DeviceId] = []

    def first_ms(
        self, connection: Connection, device: DeviceId, part: int = 0, from_ms: int = 0
    ) -> int | None:
        self.asked.append(device)
        return super().first_ms(connection, device, part, from_ms)


def test_a_station_costs_no_question_before_the_hour_in_which_it_began_is_over(place: Place) -> None:
    rows = said(NOON_MS - HOUR_MS, NOON_MS + HOUR_MS)
    place.keep(rows)
    begin(place, NOON_MS + 20 * MINUTE_MS)
    series = Watched(place.raw)

    assert sum(1 for _ in roll(place.db, series, TIMETABLES, NOON_MS + 30 * MINUTE_MS)) == 0
    assert series.asked == []

    for _ in roll(place.db, series, TIMETABLES, NOON_MS + HOUR_MS + AFTER_MS):
        pass
    device = DeviceId(STATIONS[3], "climate_sensor", 1)
    assert kept(place, device) == expected(rows, device), "with what it brought from before"
    assert STATIONS[-1] not in {one.station for one in series.asked}, "it never spoke"
