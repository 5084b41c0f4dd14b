"""Before readings are taken out their hours are kept, so that old days can still be looked at."""

from __future__ import annotations

from domain.ids import DeviceId, edge_box
from domain.watermark import Watermark
from runtime.housekeeping import sweep
from runtime.installation import Installation
from runtime.settings import Settings
from storage import registry, stations
from storage.database import Database
from storage.registry import Device
from storage.rollup_tables import rollup, uptime_hour, use_hour
from storage.rollups import HOUR_MS
from storage.series import SeriesRow
from storage.states import BootRow, upsert_boots
from storage.stations import Station
from tests.runtime.command_line import STATION

SENSOR = DeviceId(STATION, "occupancy_sensor", 1)
BOX = edge_box(STATION)
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_774_929_600_000


def _reading(seq: int, at_ms: int) -> SeriesRow:
    return SeriesRow(SENSOR, BOX, "b", seq, at_ms, at_ms, at_ms, {"count_raw": seq}, {}, {})


def _count(db: Database, table: str) -> int:
    with db.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0)


def test_old_readings_become_hours_and_old_hours_go_too(hub_database: Database) -> None:
    here = Installation(Settings(retention_days=30, rollup_retention_days=60))
    series = here.series()
    with hub_database.write() as connection:
        stations.put_stations(connection, [Station(STATION, STATION[:6], "", "1", "驿站")])
        registry.put_devices(connection, [Device(SENSOR, BOX)])
        begun_ms = NOW_MS - 31 * DAY_MS
        upsert_boots(connection, [BootRow(BOX, "b", begun_ms, None, None, Watermark(), NOW_MS)])
        for seq, days in enumerate((31, 29), 1):
            series.append(connection, SENSOR.kind, [_reading(seq, NOW_MS - days * DAY_MS)])

    for _ in sweep(hub_database, series, here.settings, NOW_MS, 30):
        pass
    with hub_database.read() as connection:
        points = series.history(
            connection, SENSOR, "count_raw", 0, NOW_MS - 40 * DAY_MS, NOW_MS, DAY_MS, "last"
        )
        raw = series.readings(connection, SENSOR, 0, NOW_MS)
    assert [value for _, value in points] == [1, 2]
    assert [one.seq for one in raw] == [2]

    for _ in sweep(hub_database, series, here.settings, NOW_MS + 30 * DAY_MS, 30):
        pass
    assert _count(hub_database, rollup.name) == 1
    hours = 60 * 24 - 1
    assert _count(hub_database, use_hour.name) == hours
    assert _count(hub_database, uptime_hour.name) == 2 * hours  # seats, and open as far as anything is heard
