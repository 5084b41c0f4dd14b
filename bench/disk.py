"""How much disk a station takes in a day, table by table, and how long a backup of it takes."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from bench.stored_week import PERIOD_MS, furnish_week
from storage import backup, migrate, restore
from storage.database import Database, open_database

DAY_MINUTES = 1440
BEGIN_MS = 1_782_835_200_000


def sizes(database: Database) -> dict[str, tuple[int, int]]:
    """Rows and bytes of each table with its indexes, the big ones first."""
    with database.read() as connection:
        tables = sa.inspect(connection).get_table_names()
        if database.dialect == "postgresql":
            size = "SELECT pg_total_relation_size(CAST(:name AS regclass))"
        else:
            size = (
                "SELECT sum(pgsize) FROM dbstat WHERE name = :name"
                " OR name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)"
            )
        found = {
            name: (
                int(connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) or 0),
                int(connection.scalar(sa.text(size), {"name": name}) or 0),
            )
            for name in tables
        }
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def main() -> None:
    """Furnish days of stations, and say what they take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=10)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--url", default="", help="an empty database; a SQLite file of its own otherwise")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{folder}/disk.sqlite3"
        migrate.upgrade(url)
        database = open_database(url)
        messages, parts = furnish_week(
            database, count=given.stations, equipped=given.stations, cabinets=given.stations,
            slots=given.slots, begin_ms=BEGIN_MS, minutes=DAY_MINUTES * given.days,
        )  # fmt: skip
        station_days = given.stations * given.days
        print(
            f"{database.dialect}: {given.stations} stations with every kind, {given.days} days, a report "
            f"every {PERIOD_MS // 1000} s: {messages} messages, {parts} rows of parts"
        )
        total = 0
        for name, (rows, size) in sizes(database).items():
            total += size
            if rows > 1000:
                print(
                    f"{name:32} {rows:9} rows {size / rows:7.0f} B a row {size / station_days / 1e6:7.2f} MB"
                )
        print(f"{'all, a station and day':32} {total / station_days / 1e6:33.2f} MB")
        file = Path(folder) / "one.backup"
        began_s = time.perf_counter()
        backup.make(url, file, BEGIN_MS)
        made_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        restore.restore(url, file, BEGIN_MS)
        took_s = time.perf_counter() - began_s
        print(
            f"backup: {file.stat().st_size / 1e6:.1f} MB of {total / 1e6:.1f} MB in {made_s:.1f} s, "
            f"restored in {took_s:.1f} s"
        )
        database.close()


if __name__ == "__main__":
    main()
