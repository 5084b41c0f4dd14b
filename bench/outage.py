"""What an hour without InfluxDB costs: rows on disk, hardly any memory, and so long to catch up."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from devices.registry import kinds
from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from storage import sending, series_outbox
from storage.database import Database, open_database
from storage.influx import Influx, InfluxAt, Param
from storage.influx_setup import prepare
from storage.migrate import upgrade
from storage.series_outbox import COVERED
from storage.series_row import SeriesRow
from tests.influx import InfluxServer, program

GOAL_RSS_MB = 20.0
ADCODE = "331002"
ROWS_AT_ONCE = 4_000
SETTLE_S = 15.0
TREE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print a line for each step; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=int, default=300, help="length of the outage in a province's time")
    asked.add_argument("--rate", type=int, default=1_200, help="messages a second")
    asked.add_argument("--devices", type=int, default=60_000)
    options = asked.parse_args()
    found = program()
    if found is None:
        raise SystemExit("There is no influxd: build one with .ci/influxd.sh, or name it in INFLUXD.")
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        server = InfluxServer(found, Path(folder) / "influx")
        server.folder.mkdir()
        try:
            _run(server, Path(folder) / "var", options)
        finally:
            server.remove()


def _run(server: InfluxServer, var: Path, options: argparse.Namespace) -> None:
    server.start()
    at = server.at("raw", secrets.token_hex(16))
    prepare(at, 30, 730)
    var.mkdir()
    url = f"sqlite:///{var / 'waystation.sqlite3'}"
    upgrade(url)
    database = open_database(url)
    # Every device has spoken twice before: the courier knows them all, as one that runs for a while.
    warm = 2 * options.devices
    count = warm + options.seconds * options.rate
    whole_s = count // options.rate + 1
    begin_ms = WallClock().now_ms() - (whole_s + 3600) * 1000
    courier = _courier(at, var)
    try:
        _fill(database, _messages(begin_ms, 0, warm, options))
        _wait(database, warm)
        time.sleep(SETTLE_S / 3)
        before_mb = _rss_mb(courier.pid)
        server.kill()
        began_s = time.perf_counter()
        _fill(database, _messages(begin_ms, warm, count, options))
        filled_s = time.perf_counter() - began_s
        with database.read() as connection:
            rows, size = sending.measure(connection)
        print(
            f"InfluxDB is down for {options.seconds} s of {options.rate} messages a second (made in "
            f"{filled_s:.0f} s): {rows:,} messages wait, about {size / 1e6:,.0f} MB; the database has "
            f"{_disk_mb(var):,.0f} MB",
            flush=True,
        )
        time.sleep(SETTLE_S)
        down_mb = _rss_mb(courier.pid)
        cpu_s = _cpu_s(courier.pid)
        server.start()
        began_s = time.perf_counter()
        peak_mb = _wait(database, count, courier.pid)
        took_s = time.perf_counter() - began_s
        cpu_s = _cpu_s(courier.pid) - cpu_s
        influx_cpu_s = _cpu_s(server.pid)
        grown_mb = max(down_mb, peak_mb) - before_mb
    finally:
        courier.send_signal(signal.SIGTERM)
        courier.wait(20)
    lost, doubled = _counts(at, count, begin_ms, whole_s)
    with database.read() as connection:
        state = sending.sending(connection)
    database.close()
    assert state is not None
    sent = count - warm
    print(
        f"back again: {sent:,} messages in {took_s:.0f} s ({sent / took_s:,.0f} a second; courier "
        f"{cpu_s / sent * 1e6:.0f} µs, InfluxDB {influx_cpu_s / sent * 1e6:.0f} µs of CPU a message)"
    )
    print(f"lost {lost}, doubled {doubled}, put aside {state.parked}, kept as hours {state.rolled_up}")
    verdict = "met" if grown_mb <= GOAL_RSS_MB else "NOT met"
    print(
        f"the courier's memory: {before_mb:.0f} MB before, {down_mb:.0f} MB while InfluxDB was down, at most "
        f"{peak_mb:.0f} MB while it caught up: {grown_mb:+.0f} MB, goal {GOAL_RSS_MB:.0f} MB {verdict}"
    )
    print(
        json.dumps(
            {
                "bench": "outage", "seconds": options.seconds, "rate": options.rate, "messages": count,
                "lost": lost, "doubled": doubled, "rss_growth_mb": round(grown_mb, 1),
                "catch_up_s": round(took_s, 1), "per_s": round(sent / took_s),
                "python": sys.version.split()[0], "influxdb": _version(at), "cores": os.cpu_count(),
            }
        )
    )  # fmt: skip
    if lost or doubled or verdict != "met":
        raise SystemExit(1)


def _messages(begin_ms: int, first: int, end: int, options: argparse.Namespace) -> Iterator[SeriesRow]:
    """Sensors that speak one after the other; nine of ten say what they said before."""
    names = [name for name in ("climate_sensor", "occupancy_sensor") if name in kinds()]
    devices = [
        DeviceId(f"{ADCODE}-{n // 5:05}", names[n % len(names)], n % 5 + 1) for n in range(options.devices)
    ]
    addresses = [topics.telemetry(ADCODE, device) for device in devices]
    for seq in range(first, end):
        at = seq % options.devices
        device, at_ms = devices[at], begin_ms + seq * 1000 // options.rate
        moved = (seq // options.devices + at) // 10 % 7
        said = (
            f'"count_raw":{moved},"presence":{"true" if moved else "false"},"in_total":{1000 + moved}'
            if device.kind == "occupancy_sensor"
            else f'"temp_c":{20 + moved}.5,"humidity_pct":{50 + moved}'
        )
        body = f'{{"v":1,"ts":{at_ms},"boot":"bench","seq":{seq},"low":0,{said}}}'
        yield SeriesRow(
            device, edge_box(device.station), "bench", seq, at_ms, at_ms, at_ms, {}, {}, {},
            addresses[at], body.encode(),
        )  # fmt: skip


def _fill(database: Database, rows: Iterator[SeriesRow]) -> None:
    some: list[SeriesRow] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            _keep(database, some)
            some = []
    _keep(database, some)


def _keep(database: Database, rows: list[SeriesRow]) -> None:
    with database.write() as connection:
        series_outbox.add(connection, rows)
        series_outbox.reach(connection, COVERED, series_outbox.newest(connection))


def _courier(at: InfluxAt, var: Path) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WAYSTATION_")}
    settings = {
        "VAR_DIR": var, "SERIES": "influx", "INFLUX_URL": at.url, "INFLUX_ORG": at.org,
        "INFLUX_BUCKET": at.bucket, "INFLUX_TOKEN": at.token, "LOG_LEVEL": "warning",
    }  # fmt: skip
    environ |= {f"WAYSTATION_{name}": str(value) for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "runtime", "courier"], cwd=TREE, env=environ | {"PYTHONPATH": str(TREE)},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _wait(database: Database, count: int, pid: int = 0) -> float:
    """Until the courier has sent so many; returns its most memory meanwhile."""
    peak_mb = 0.0
    while True:
        with database.read() as connection:
            found = sending.sending(connection)
        if pid:
            peak_mb = max(peak_mb, _rss_mb(pid))
        if found is not None and found.messages + found.rolled_up + found.parked >= count:
            return peak_mb
        time.sleep(0.25)


def _counts(at: InfluxAt, count: int, begin_ms: int, seconds: int) -> tuple[int, int]:
    """Messages that are missing and that are there twice, by their numbers, a minute at a time."""
    influx = Influx(at, read_s=60)
    flux = (
        "from(bucket: p_bucket) |> range(start: p_from, stop: p_to)"
        ' |> filter(fn: (r) => r._field == "seq") |> keep(columns: ["_time", "_value", "_field"])'
    )
    seen = bytearray(count)
    doubled = 0
    for minute in range(0, seconds + 60, 60):
        start = datetime.fromtimestamp(begin_ms / 1000, UTC) + timedelta(seconds=minute)
        params: dict[str, Param] = {
            "p_bucket": at.bucket,
            "p_from": start,
            "p_to": start + timedelta(seconds=60),
        }
        for row in influx.ask(flux, params):
            seq = int(row.value or 0)
            doubled += seen[seq]
            seen[seq] = 1
    influx.close()
    return count - sum(seen), doubled


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _disk_mb(var: Path) -> float:
    return sum(file.stat().st_size for file in var.glob("waystation.sqlite3*")) / 1e6


def _version(at: InfluxAt) -> str:
    influx = Influx(at)
    try:
        return str(influx.client.version())
    finally:
        influx.close()


if __name__ == "__main__":
    main()
