"""A back-test counts the same whether the readings are in tables or in InfluxDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.books import BookText, read_books, severities_of
from rules.tally import Tally, as_data
from storage import registry, stations
from storage.backtests import Period
from storage.database import Database, open_database
from storage.hub_away import hub_away
from storage.influx import Influx, InfluxAt
from storage.influx_points import adcode_of, lines
from storage.influx_series import InfluxSeries
from storage.parallel_backtest import backtest_on_all_cores
from storage.series import SeriesRow, SqlSeries
from tests.rules.short_rules import BOOK
from tests.storage.rows import NOON_MS

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000
MINUTES = 600
AWAY = range(300, 320)
NAMES = ("331002-0001", "331002-0002", "330102-0001")
OLD = BOOK.replace("silent: 2s", "silent: 10m").replace("silent: 5s", "silent: 10m")
NEW = OLD.replace("temp_c >= 60, for: 1s", "temp_c >= 70, for: 1s")


def _rows(station: str) -> Iterator[SeriesRow]:
    """A cabinet that is hot now and then, and once says what cannot be; for twenty minutes nobody listens."""
    cabinet = DeviceId(station, "swap_cabinet", 1)
    for minute in range(MINUTES):
        if minute in AWAY:
            continue
        at_ms = NOON_MS + minute * MINUTE_MS
        parts: dict[int, dict[str, Value]] = {
            3: {"temp_c": 64.5 if minute % 60 in (10, 11, 12) else 30.0, "state": "charging"},
            4: {"temp_c": 80.5 if minute % 90 == 7 else 21.0},
        }
        extra = {"slots.3.temp_c": 9999} if minute == 130 else {}
        yield SeriesRow(
            cabinet,
            edge_box(station),
            "b",
            minute,
            at_ms,
            at_ms - 3,
            at_ms + 20,
            {"smoke": False},
            parts,
            extra,
        )


@pytest.fixture
def elsewhere(tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    """A second database, without readings."""
    shutil.copyfile(migrated_file, tmp_path / "elsewhere.sqlite3")
    database = open_database(f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}")
    yield database
    database.close()


def _furnish(database: Database) -> None:
    with database.write() as connection:
        stations.put_stations(
            connection,
            [
                stations.Station(name, name[:6], name[:6], "001", f"驿站 {name}", hours="24/7")
                for name in NAMES
            ],
        )
        devices = [registry.Device(DeviceId(name, "swap_cabinet", 1), edge_box(name)) for name in NAMES]
        registry.put_devices(connection, devices)


def test_both_count_the_same(migrated_sqlite_url: str, elsewhere: Database, influx_at: InfluxAt) -> None:
    tables = open_database(migrated_sqlite_url)
    influx = Influx(influx_at)
    for database in (tables, elsewhere):
        _furnish(database)
    for name in NAMES:
        rows = list(_rows(name))
        with tables.write() as connection:
            SqlSeries().append(connection, "swap_cabinet", rows)
        points = [line for row in rows for line in lines(adcode_of(row.device, ""), row)]
        influx.write("\n".join(points).encode())
    period = Period(NOON_MS, NOON_MS + MINUTES * MINUTE_MS)
    old, new = [BookText(OLD, 1, "old")], [BookText(NEW, 2, "new")]
    severities = severities_of(read_books(old), read_books(new))

    def count(database: Database, at: InfluxAt | None) -> Tally:
        return backtest_on_all_cores(database.url, database, old, new, period, cores=1, at=at)

    there, here = (
        as_data(count(database, at), severities, NOON_MS)
        for database, at in ((tables, None), (elsewhere, influx_at))
    )
    assert there["messages"] == len(NAMES) * (MINUTES - len(AWAY))
    assert any(rule["before"]["alerts"] for rule in there["rules"])
    assert here == there
    spans = [
        hub_away(database, NOON_MS, period.to_ms, series).spans
        for database, series in ((tables, None), (elsewhere, InfluxSeries(influx)))
    ]
    assert spans[0] == spans[1]
    assert len(spans[0]) == 1
    with elsewhere.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM series_swap_cabinet")) == 0
    influx.close()
    tables.close()
