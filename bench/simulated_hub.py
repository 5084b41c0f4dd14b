"""A hub of real processes under simulated stations, as benches start, ask and end it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.hall import Hall
from device_sim.control import SimNotRunning, ask
from runtime.clock import WallClock
from runtime.first_rulebook import SHIPPED
from runtime.first_stations import fill
from runtime.settings import Settings
from storage import rulebooks

TICKS = os.sysconf("SC_CLK_TCK")


def environment(
    var: Path, url: str, ports: tuple[int, int], options: argparse.Namespace, messages_per_s: float
) -> dict[str, str]:
    """The settings of all processes; `ports` are those for MQTT and NATS.

    As a province runs: readings go through the outbox. Nobody sends them on, so they can be counted, also
    one that came twice.
    """
    return {
        **os.environ, "WAYSTATION_VAR_DIR": str(var), "WAYSTATION_DATABASE_URL": url,
        "WAYSTATION_MQTT_PORT": str(ports[0]), "WAYSTATION_NATS_PORT": str(ports[1]),
        "WAYSTATION_LOG_LEVEL": "warning", "WAYSTATION_STATIONS": str(options.stations),
        "WAYSTATION_SIM_MESSAGES_PER_S": str(messages_per_s),
        "WAYSTATION_SIM_CONNECTS_PER_S": str(options.connects),
        "WAYSTATION_SIM_PROCESSES": str(options.processes),
        "WAYSTATION_SERIES": "influx", "WAYSTATION_INFLUX_URL": "http://127.0.0.1:9",
        "WAYSTATION_INFLUX_ORG": "waystation",
    }  # fmt: skip


def furnish_as_shipped(hall: Hall, settings: Settings) -> None:
    """The rulebook that comes with the program, and the simulator's stations."""
    with hall.database.write() as connection:
        rulebooks.seed(connection, SHIPPED.read_text(encoding="utf-8"), 0)
    fill(hall.database, settings, WallClock().now_ms())


@contextmanager
def process(name: str, environ: dict[str, str]) -> Iterator[int]:
    """One process of the hub; gives its pid, and ends it."""
    started = subprocess.Popen(
        # Whatever happens to this bench, its processes end with it: they read the other end of a pipe.
        [sys.executable, "-m", "runtime", name, "--watched"],
        env=environ,
        start_new_session=True,
        stdin=subprocess.PIPE,
    )
    try:
        yield started.pid
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(40)
            except subprocess.TimeoutExpired:
                started.kill()


def ask_simulator(var: Path, what: str) -> Any:
    """The simulator's answer, as soon as it gives one."""
    for _ in range(100):
        try:
            return ask(var, {"do": what})
        except (SimNotRunning, OSError):
            time.sleep(0.2)
    raise SystemExit("the simulator does not answer")


def totals(var: Path) -> dict[str, int]:
    """What all simulated stations together have said, hold and gave up, and how many are connected."""
    found: dict[str, int] = ask_simulator(var, "totals")
    return found


def cpu_s(pid: int) -> float:
    """CPU that a process has used, in user and kernel, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
