"""The broker is killed under many stations: how soon all are live again, what is lost, what old news does."""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from api.board import Board
from bench.hall import Hall, open_hall
from bench.simulated_hub import ask_simulator, cpu_s, environment, furnish_as_shipped, process, totals
from device_sim.control import ask
from domain import topics
from rules.calendar import Calendar
from rules.station_view import Timetables
from runtime.broker import Broker
from runtime.clock import WallClock
from runtime.descriptors import make_room
from runtime.first_stations import planned
from runtime.settings import Settings
from storage.migrate import upgrade
from storage.outbox_tables import outbox
from storage.tables import alert, event, quarantine, speaker
from tests.ports import free_port

GOAL_LIVE_S = 60.0
WITHIN_S = 600.0
SETTLE_S = 60.0
TOLD_EVERY_S = 5.0
TROUBLES = (("power_switch/1", "mains_lost"), ("door_lock/1", "jammed"), ("door_lock/1", "mains_lost"))
"""What every tenth station has while nobody hears of it, one after the other; it is over before."""
FORCED = 12
"""So many doors are forced meanwhile, at most one at every tenth station."""
Numbers = dict[str, dict[str, Any]]


@dataclass
class Return:
    """What was seen from the broker's death on; seconds count from its return."""

    killed_ms: int
    returned_ms: int = 0
    backlog: int = 0
    unknown_meanwhile: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Print a line for each step; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--stations", type=int, default=1_500)
    asked.add_argument("--rate", type=float, default=0.1, help="messages a second of each station")
    asked.add_argument(
        "--away",
        type=float,
        default=330.0,
        help="seconds for which the broker is gone; below 150 its trouble is over too late to be old news",
    )
    asked.add_argument("--connects", type=float, default=400, help="connections a second of all stations")
    asked.add_argument("--processes", type=int, default=0, help="of the simulator; 0 chooses")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    var, url = folder / "var", f"sqlite:///{folder}/hub.sqlite3"
    mqtt_port, nats_port = free_port(), free_port()
    environ = environment(var, url, (mqtt_port, nats_port), options, options.rate * options.stations)
    upgrade(url)
    hall = open_hall(var, url, mqtt_port)
    settings = Settings(var_dir=var, database_url=url, stations=options.stations)
    furnish_as_shipped(hall, settings)
    stations = [plan.id for plan in planned(settings) if plan.devices]
    make_room(len(stations))  # the broker inherits it
    broker = Broker(var, mqtt_port, nats_port, secrets=hall.secrets)
    broker.start()
    board = Board(hall.database, WallClock(), Timetables(Calendar()))
    try:
        with process("gateway", environ) as gateway, process("sim", environ):
            _until(lambda: totals(var)["connected"] >= len(stations), "all stations are connected")
            _until(lambda: _known(board, stations) >= len(stations), "every station is shown as known")
            print(f"{len(stations):,} stations are live; the broker is killed", flush=True)
            seen = _lose_broker(hall, broker, board, stations, var, options)
            _come_back(hall, broker, board, stations, var, seen, gateway)
            time.sleep(SETTLE_S)
            numbers = _numbers(var)
            time.sleep(1.0)
            kept = _kept(hall)
            old = _old_news(hall, seen)
            told = _emergencies(hall, stations)
    finally:
        broker.stop()
    hall.database.close()
    _sum_up(len(stations), options, seen, numbers, kept, old, told)


def _lose_broker(
    hall: Hall, broker: Broker, board: Board, stations: list[str], var: Path, options: argparse.Namespace
) -> Return:
    """Kill the broker; trouble comes and goes meanwhile, and a few doors are forced."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    seen, began_s = Return(WallClock().now_ms()), time.perf_counter()
    for at, station in enumerate(stations[::10]):
        device, fault = TROUBLES[at % len(TROUBLES)]
        _break(var, station, device, fault, options.away * 0.6)
    for station in _forced(stations):
        _break(var, station, "door_lock/1", "forced", options.away * 0.3)
    time.sleep(max(0.0, options.away - (time.perf_counter() - began_s)))
    seen.unknown_meanwhile = len(stations) - _known(board, stations)
    return seen


def _come_back(
    hall: Hall, broker: Broker, board: Board, stations: list[str], var: Path, seen: Return, gateway: int
) -> None:
    """Start the broker, and wait until all are connected, heard, shown, and their backlog is promised."""
    conns = _conns(hall)
    said = {station: told["said"] for station, told in _numbers(var).items()}
    seen.backlog = totals(var)["held"]
    before_s = cpu_s(gateway)
    broker.start()
    seen.returned_ms, began_s = WallClock().now_ms(), time.perf_counter()
    steps = {
        "connected_s": lambda: totals(var)["connected"] >= len(stations),
        "live_s": lambda: sum(conn > conns.get(one, -1) for one, conn in _conns(hall).items()) >= len(conns),
        "shown_s": lambda: _known(board, stations) >= len(stations),
        "drained_s": lambda: all(
            min(told["waiting"], default=told["said"]) >= said[station]
            for station, told in _numbers(var).items()
        ),
    }
    for name, is_so in steps.items():
        _until(is_so, name, quiet=True)
        seen.seconds[name] = round(time.perf_counter() - began_s, 1)
        print(f"{name}: {seen.seconds[name]:g} s after the broker", flush=True)
    # What a busy machine does to the seconds it does not do to these.
    assert broker.pid is not None
    seen.cpu_s = {"gateway": round(cpu_s(gateway) - before_s, 1), "broker": round(cpu_s(broker.pid), 1)}


def _sum_up(
    stations: int,
    options: argparse.Namespace,
    seen: Return,
    numbers: Numbers,
    kept: Counter[tuple[str, str, int]],
    old: Counter[tuple[str, str]],
    told: Counter[int],
) -> None:
    lost = given_up = 0
    for station, one in numbers.items():
        gone = set(range(one["said"])).difference(one["waiting"])
        without = sum((station, one["boot"], seq) not in kept for seq in gone)
        # What a box gave up without a promise is gone from it, too; it may be kept all the same.
        given_up += min(without, one["dropped"])
        lost += max(0, without - one["dropped"])
    figures: dict[str, Any] = {
        "away_s": options.away,
        "backlog": seen.backlog,
        "unknown_meanwhile": seen.unknown_meanwhile,
        **seen.seconds,
        "cpu_s": seen.cpu_s,
        "acknowledged": sum(one["said"] - len(one["waiting"]) - one["dropped"] for one in numbers.values()),
        "given_up_by_stations": sum(one["dropped"] for one in numbers.values()),
        "given_up_and_not_kept": given_up,
        "acknowledged_and_lost": lost,
        "kept_twice": sum(count - 1 for count in kept.values()),
        "alerts_from_old_data": sum(old.values()),
        "of_them_over_already": sum(count for (_, state), count in old.items() if state == "resolved"),
        "old_alerts_by_code": {f"{code} {state}": count for (code, state), count in sorted(old.items())},
        "emergencies": told.total(),
        "emergencies_told_once": told[1],
    }
    for name, value, goal in (
        ("live again, s", max(figures["live_s"], figures["shown_s"]), GOAL_LIVE_S),
        ("acknowledged and lost", lost, 0),
        ("kept twice", figures["kept_twice"], 0),
        ("alerts for what was over already", figures["of_them_over_already"], 0),
        ("emergencies not told, or told twice", told.total() - told[1], 0),
    ):
        print(f"{name}: {value:g}, goal {goal:g} {'met' if value <= goal else 'NOT met'}")
    print(json.dumps({"bench": "reconnect", "stations": stations, **figures}))


def _forced(stations: list[str]) -> list[str]:
    return stations[5::10][:FORCED]


def _break(var: Path, station: str, device: str, fault: str, for_s: float) -> None:
    ask(var, {"do": "fault", "station": station, "device": device, "fault": fault, "args": {"for_s": for_s}})


def _known(board: Board, stations: list[str]) -> int:
    """How many stations are shown with something that is known of them now."""
    board.look()
    return sum(board.stations[one].availability.state != "unknown" for one in stations)


def _conns(hall: Hall) -> Mapping[str, int]:
    """The connections that the gateway takes for standing."""
    online = sa.select(speaker.c.station, speaker.c.conn).where(speaker.c.link == "online")
    with hall.database.read() as connection:
        return {row.station: row.conn for row in connection.execute(online) if row.conn is not None}


def _kept(hall: Hall) -> Counter[tuple[str, str, int]]:
    """How many rows each message has."""
    kept: Counter[tuple[str, str, int]] = Counter()
    with hall.database.read() as connection:
        for row in connection.execute(sa.select(outbox.c.topic, outbox.c.boot, outbox.c.seq)):
            kept[topics.parse(row.topic).device.station, row.boot, row.seq] += 1
        for table in (event, quarantine):
            for station, boot, seq in connection.execute(
                sa.select(table.c.station, table.c.boot, table.c.seq)
            ):
                kept[station, boot, seq] += 1
    return kept


def _old_news(hall: Hall, seen: Return) -> Counter[tuple[str, str]]:
    """Alerts since the broker died of what was before it came back, but for emergencies."""
    wanted = sa.select(alert.c.code, alert.c.state).where(
        alert.c.learned_ms >= seen.killed_ms,
        alert.c.happened_ms < seen.returned_ms,
        sa.not_(alert.c.safety),
    )
    with hall.database.read() as connection:
        return Counter((row.code, row.state) for row in connection.execute(wanted))


def _emergencies(hall: Hall, stations: list[str]) -> Counter[int]:
    """How many forced doors have how many alerts."""
    wanted = sa.select(alert.c.station).where(alert.c.code == "door_forced")
    with hall.database.read() as connection:
        found = Counter(connection.scalars(wanted))
    return Counter(found[one] for one in _forced(stations))


def _numbers(var: Path) -> Numbers:
    numbers: Numbers = ask_simulator(var, "numbers")
    return numbers


def _until(is_so: Any, what: str, *, quiet: bool = False) -> None:
    began_s = time.perf_counter()
    while not is_so():
        if time.perf_counter() - began_s > WITHIN_S:
            raise SystemExit(f"not within {WITHIN_S:.0f} s: {what}")
        time.sleep(0.5)
    if not quiet:
        print(f"{what}, after {time.perf_counter() - began_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
