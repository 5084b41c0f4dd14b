"""Thirty days of one metric as 300 points: from the tables of SQLite and from InfluxDB, side by side."""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from storage.database import Database, open_database
from storage.influx import Influx
from storage.influx_points import lines
from storage.influx_series import InfluxSeries
from storage.influx_setup import prepare
from storage.migrate import upgrade
from storage.rolled_series import RolledSeries
from storage.series import Aggregate, Point, Series, SqlSeries
from storage.series_row import SeriesRow
from tests.influx import InfluxServer, program

DAY_MS = 86_400_000
ADCODE = "331002"
AGGREGATES: tuple[Aggregate, ...] = ("mean", "max", "last")


def main() -> None:
    """Print a line for each store and aggregate; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--days", type=int, default=30)
    asked.add_argument("--period", type=int, default=60, help="seconds between two readings")
    asked.add_argument("--points", type=int, default=300)
    asked.add_argument(
        "--devices", type=int, default=10, help="how many lie beside the one that is asked for"
    )
    asked.add_argument("--times", type=int, default=20)
    options = asked.parse_args()
    found = program()
    if found is None:
        raise SystemExit("There is no influxd: build one with .ci/influxd.sh, or name it in INFLUXD.")
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        server = InfluxServer(found, Path(folder) / "influx")
        server.folder.mkdir()
        try:
            server.start()
            _run(server, Path(folder), options)
        finally:
            server.remove()


def _run(server: InfluxServer, folder: Path, options: argparse.Namespace) -> None:
    at = server.at("raw", secrets.token_hex(16))
    prepare(at, 10 * options.days, 730)
    influx = Influx(at, read_s=60)
    url = f"sqlite:///{folder / 'hub.sqlite3'}"
    upgrade(url)
    database = open_database(url)
    clock = WallClock()
    end_ms = clock.now_ms() // DAY_MS * DAY_MS
    begin_ms = end_ms - options.days * DAY_MS
    count = 0
    for rows in _days(begin_ms, options):
        count += len(rows)
        with database.write() as connection:
            SqlSeries().append(connection, "climate_sensor", rows)
        for first in range(0, len(rows), 5_000):
            some = rows[first : first + 5_000]
            influx.write("\n".join(line for row in some for line in lines(ADCODE, row)).encode())
    print(
        f"{options.devices} devices, {options.days} days, every {options.period} s: {count:,} messages",
        flush=True,
    )
    stores: dict[str, Series] = {
        "SQLite": RolledSeries(SqlSeries()),
        "InfluxDB": RolledSeries(InfluxSeries(influx, clock)),
    }
    step_ms = (end_ms - begin_ms) // options.points
    figures: dict[str, dict[str, float]] = {name: {} for name in stores}
    for aggregate in AGGREGATES:
        answers = {}
        for name, series in stores.items():
            took, answers[name] = _ask(database, series, begin_ms, end_ms, step_ms, aggregate, options.times)
            middle_ms = statistics.median(took) * 1000
            figures[name][aggregate] = round(middle_ms, 1)
            print(
                f"{aggregate:5} {len(answers[name])} points from {name:9} median {middle_ms:6.1f} ms, "
                f"slowest {max(took) * 1000:6.1f} ms",
                flush=True,
            )
        _same(answers["SQLite"], answers["InfluxDB"])
    print("both give the same points (fractions to 1 part in 10^12)")
    print(
        json.dumps(
            {
                "bench": "history", "days": options.days, "points": options.points, "messages": count,
                "sqlite_ms": figures["SQLite"], "influxdb_ms": figures["InfluxDB"],
                "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version,
                "influxdb": str(influx.client.version()), "cores": os.cpu_count(),
            }
        )
    )  # fmt: skip
    influx.close()
    database.close()


def _device(n: int) -> DeviceId:
    return DeviceId(f"{ADCODE}-{n:04}", "climate_sensor", 1)


def _days(begin_ms: int, options: argparse.Namespace) -> Iterator[list[SeriesRow]]:
    """A day of all devices at a time."""
    chance = random.Random(1)
    temps = [20.0] * options.devices
    for day in range(options.days):
        rows = []
        for second in range(0, 86_400, options.period):
            at_ms = begin_ms + day * DAY_MS + second * 1000
            seq = day * 86_400 + second
            for n in range(options.devices):
                temps[n] = round(min(45.0, max(-10.0, temps[n] + chance.uniform(-0.3, 0.3))), 1)
                device = _device(n)
                rows.append(
                    SeriesRow(
                        device, edge_box(device.station), "bench", seq, at_ms + n, at_ms, at_ms + 20,
                        {"temp_c": temps[n], "humidity_pct": 55.0}, {}, {},
                    )
                )  # fmt: skip
        yield rows


def _ask(
    database: Database,
    series: Series,
    begin_ms: int,
    end_ms: int,
    step_ms: int,
    aggregate: Aggregate,
    times: int,
) -> tuple[list[float], list[Point]]:
    took = []
    points: list[Point] = []
    for _ in range(times):
        began_s = time.perf_counter()
        with database.read() as connection:
            points = series.history(connection, _device(0), "temp_c", 0, begin_ms, end_ms, step_ms, aggregate)
        took.append(time.perf_counter() - began_s)
    return took, points


def _same(one: Sequence[Point], other: Sequence[Point]) -> None:
    if [point.at_ms for point in one] != [point.at_ms for point in other]:
        raise SystemExit("The two answers have points at different times.")
    for a, b in zip(one, other, strict=True):
        if not isinstance(a.value, float) or not isinstance(b.value, float):
            raise SystemExit(f"Not a number: {a}, {b}.")
        if abs(a.value - b.value) > 1e-12 * abs(a.value):
            raise SystemExit(f"The two answers differ: {a}, {b}.")


if __name__ == "__main__":
    main()
