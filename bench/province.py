"""A whole province on one machine: what the gateway needs for it, and how it comes back after the broker."""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.core_speed import CoreSpeed
from bench.hall import Hall, open_hall, publisher_password
from bench.province_probe import Probe, add_probe_doors, probe_doors
from bench.simulated_hub import cpu_s, environment, furnish_as_shipped, process, totals
from runtime.broker import Broker
from runtime.clock import WallClock
from runtime.descriptors import make_room
from runtime.first_stations import planned
from runtime.settings import Settings
from storage import shards, tables
from storage.migrate import upgrade
from storage.outbox_tables import outbox
from tests.ports import free_port

GOAL_RSS_MB, GOAL_CPU, GOAL_P99_MS, AIM_P99_MS, GOAL_LIVE_S = 600, 0.30, 250.0, 100.0, 60.0
START_WITHIN_S = 600.0
SAMPLE_S = 5.0
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """The gateway's process and the stations at one moment."""

    at_s: float
    rss_mb: float
    cpu_s: float
    said: int
    held: int
    connected: int


def main() -> None:
    """Print a line every so often; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--stations", type=int, default=12_000)
    asked.add_argument("--rate", type=float, default=1_200, help="messages a second of all stations")
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--away", type=float, default=20.0, help="seconds for which the broker is gone")
    asked.add_argument("--connects", type=float, default=400, help="connections a second")
    asked.add_argument("--processes", type=int, default=0, help="of the simulator; 0 chooses")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    var, url = folder / "var", f"sqlite:///{folder}/hub.sqlite3"
    mqtt_port, nats_port = free_port(), free_port()
    environ = environment(var, url, (mqtt_port, nats_port), options, options.rate)
    upgrade(url)
    hall = open_hall(var, url, mqtt_port)
    seconds = options.minutes * 60
    doors = probe_doors(int(seconds) + 200)
    settings = Settings(var_dir=var, database_url=url, stations=options.stations)
    furnish_as_shipped(hall, settings)
    add_probe_doors(hall.database, doors)
    devices = _count(hall, tables.device) - len(doors)
    speaking = sum(1 for plan in planned(settings) if plan.devices)
    print(
        f"{options.stations:,} stations, {speaking:,} with {devices:,} devices, {os.cpu_count()} cores",
        flush=True,
    )
    make_room(speaking)  # the broker inherits it
    broker = Broker(var, mqtt_port, nats_port, secrets=hall.secrets)
    broker.start()
    probe = Probe(mqtt_port, publisher_password(hall.secrets), hall.database, doors)
    try:
        with process("gateway", environ) as gateway:
            _until_caught_up(hall, 60)
            with process("sim", environ):
                connected_s = _until_connected(var, speaking)
                print(f"all connected after {connected_s:.0f} s", flush=True)
                _until_drained(var, options.rate * 2, 120)
                probe.start()
                steady_ms = WallClock().now_ms()
                with CoreSpeed() as speed:
                    steady = _steady(gateway, var, seconds)
                quiet_ms = list(probe.delays_ms)
                return_ms = WallClock().now_ms()
                back_s = time.perf_counter()
                back = _come_back(hall, broker, var, options, speaking)
                probe.stop()
                back_s = time.perf_counter() - back_s
                usual = _alerts(hall, doors, steady_ms, return_ms)
                storm = _alerts(hall, doors, return_ms, WallClock().now_ms())
                back["alerts_per_min_steady"] = round(usual / options.minutes, 1)
                back["alerts_per_min_return"] = round(storm * 60 / back_s, 1)
                final = totals(var)
            _until_quiet(hall, 30)
    finally:
        broker.stop()
    lost = _lost(hall, final, len(probe.delays_ms))
    hall.database.close()
    _sum_up(options, devices, steady, speed, quiet_ms, probe, back, storm, final, lost)


def _steady(pid: int, var: Path, seconds: float) -> list[Sample]:
    samples = [_sample(pid, var)]
    ends_s = samples[0].at_s + seconds
    while time.perf_counter() < ends_s:
        time.sleep(min(SAMPLE_S, max(0.0, ends_s - time.perf_counter())))
        new, last = _sample(pid, var), samples[-1]
        samples.append(new)
        apart_s = new.at_s - last.at_s
        print(
            f"{new.at_s - samples[0].at_s:5.0f} s  gateway {new.rss_mb:4.0f} MB, "
            f"{(new.cpu_s - last.cpu_s) / apart_s:.2f} of a core · "
            f"{(new.said - last.said) / apart_s:,.0f} messages/s, {new.held:,} not yet acknowledged, "
            f"{new.connected:,} connected",
            flush=True,
        )
    return samples


def _come_back(
    hall: Hall, broker: Broker, var: Path, options: argparse.Namespace, stations: int
) -> dict[str, float]:
    """Kill the broker, bring it back, and wait until every station is there and nothing waits any more."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    time.sleep(options.away)
    backlog = totals(var)["held"]
    broker.start()
    began_s = time.perf_counter()
    figures = {"backlog": float(backlog), "connected_s": float("nan"), "live_s": float("nan")}
    while time.perf_counter() - began_s < START_WITHIN_S:
        now, gone_s = totals(var), time.perf_counter() - began_s
        if figures["connected_s"] != figures["connected_s"] and now["connected"] >= stations:
            figures["connected_s"] = round(gone_s, 1)
        # As many as are under way anyway do not count as a backlog.
        if now["connected"] >= stations and now["held"] <= 2 * options.rate and _caught_up(hall):
            figures["live_s"] = round(gone_s, 1)
            break
        time.sleep(0.5)
    print(
        f"broker killed for {options.away:.0f} s, {backlog:,} messages waited: all connected after "
        f"{figures['connected_s']:.0f} s, live again after {figures['live_s']:.0f} s",
        flush=True,
    )
    return figures


def _alerts(hall: Hall, doors: list[str], from_ms: int, to_ms: int) -> int:
    """How many were raised meanwhile, those of the probe's own doors left out; says of what."""
    alert = tables.alert
    wanted = (
        sa.select(alert.c.code, sa.func.count())
        .where(alert.c.learned_ms >= from_ms, alert.c.learned_ms < to_ms)
        .where(sa.not_(alert.c.station.between(doors[0], doors[-1])))
        .group_by(alert.c.code)
    )
    with hall.database.read() as connection:
        raised = {code: int(count) for code, count in connection.execute(wanted)}
    told = ", ".join(f"{count} {code}" for code, count in raised.items())
    print(f"alerts within {(to_ms - from_ms) / 1000:.0f} s: {told or 'none'}", flush=True)
    return sum(raised.values())


def _lost(hall: Hall, final: dict[str, int], probes: int) -> int:
    """How many messages the hub has acknowledged and does not have: numbers said, less those still held."""
    kept = _count(hall, tables.event) + _count(hall, tables.quarantine) - probes
    kept += _readings(hall)
    return max(0, final["said"] - final["held"] - final["dropped"] - kept)


def _sum_up(
    options: argparse.Namespace,
    devices: int,
    steady: list[Sample],
    speed: CoreSpeed,
    quiet_ms: list[float],
    probe: Probe,
    back: dict[str, float],
    storm: int,
    final: dict[str, int],
    lost: int,
) -> None:
    span_s = steady[-1].at_s - steady[0].at_s
    half = len(steady) // 2
    figures: dict[str, Any] = {
        "rss_mb": round(max(one.rss_mb for one in steady), 1),
        "rss_growth_mb": round(steady[-1].rss_mb - steady[half].rss_mb, 1),
        "cpu_share": round((steady[-1].cpu_s - steady[0].cpu_s) / span_s, 3),
        "core_slowdown": round(speed.slowdown, 2),
        "messages_per_s": round((steady[-1].said - steady[0].said) / span_s, 1),
        "alert_p50_ms": _rank(quiet_ms, 0.5),
        "alert_p99_ms": _rank(quiet_ms, 0.99),
        "probes": len(quiet_ms),
        "probes_missed": probe.missed,
        "said": final["said"],
        "dropped_by_stations": final["dropped"],
        "acknowledged_and_lost": lost,
        "alerts_after_return": storm,
        **back,
    }
    print(f"cores: a fixed loop took {figures['core_slowdown']:g} times the CPU that it took at its best")
    for name, value, goal in (
        ("gateway memory, MB", figures["rss_mb"], GOAL_RSS_MB),
        ("gateway, share of a core", figures["cpu_share"], GOAL_CPU),
        (f"telemetry → alert p99, ms (aim {AIM_P99_MS:.0f})", figures["alert_p99_ms"], GOAL_P99_MS),
        ("live again, s", figures["live_s"], GOAL_LIVE_S),
        ("acknowledged and lost", lost, 0),
    ):
        print(f"{name}: {value:g}, goal {goal:g} {'met' if value <= goal else 'NOT met'}")
    print(json.dumps({"bench": "province", "stations": options.stations, "devices": devices, **figures}))


def _sample(pid: int, var: Path) -> Sample:
    rss_mb = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE / 2**20
    all_ = totals(var)
    return Sample(time.perf_counter(), rss_mb, cpu_s(pid), all_["said"], all_["held"], all_["connected"])


def _until_connected(var: Path, stations: int) -> float:
    began_s = time.perf_counter()
    told_s = began_s
    while time.perf_counter() - began_s < START_WITHIN_S:
        connected = totals(var)["connected"]
        if connected >= stations:
            return time.perf_counter() - began_s
        if time.perf_counter() - told_s > SAMPLE_S:
            told_s = time.perf_counter()
            print(f"{connected:,} of {stations:,} stations are connected", flush=True)
        time.sleep(0.5)
    raise SystemExit(f"only {totals(var)['connected']} stations connected within {START_WITHIN_S:.0f} s")


def _until_drained(var: Path, few: float, within_s: float) -> None:
    began_s = time.perf_counter()
    while totals(var)["held"] > few and time.perf_counter() - began_s < within_s:
        time.sleep(0.5)


def _caught_up(hall: Hall) -> bool:
    with hall.database.read() as connection:
        worker = shards.worker(connection, 0)
    return (
        worker is not None
        and WallClock().now_ms() - worker.seen_ms < 3_000
        and worker.bulk_since_ms is not None
        and worker.quick_since_ms is not None
    )


def _until_caught_up(hall: Hall, within_s: float) -> None:
    began_s = time.perf_counter()
    while not _caught_up(hall):
        if time.perf_counter() - began_s > within_s:
            raise SystemExit(f"the gateway was not ready within {within_s:.0f} s")
        time.sleep(0.1)


def _until_quiet(hall: Hall, within_s: float) -> None:
    """The stations are gone: wait until the gateway has written what they said last."""
    began_s, before = time.perf_counter(), -1
    while time.perf_counter() - began_s < within_s:
        now = _count(hall, tables.event) + _readings(hall)
        if now == before:
            return
        before = now
        time.sleep(2.0)


def _readings(hall: Hall) -> int:
    return _count(hall, outbox)


def _count(hall: Hall, table: sa.Table) -> int:
    with hall.database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _rank(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else float("nan")


if __name__ == "__main__":
    main()
