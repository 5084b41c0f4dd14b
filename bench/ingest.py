"""Messages a second of a gateway that decides and keeps, beside a bare subscriber that only acknowledges."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.hall import furnish, open_hall, publisher_password
from bench.mix import messages, province
from bench.preload import preload
from domain import topics
from runtime.broker import Broker
from runtime.clock import WallClock
from runtime.gateway_process import SQL_STATIONS
from tests.ports import free_port

FIRST = 3
SAID_PER_S = 0.06
"""By one station of this mix, once it has settled."""
FILTERS = f"{topics.QUICK_FILTER},{topics.BULK_FILTER}"


def main() -> None:
    """Print one line a round, then the medians; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--messages", type=int, default=100_000, help="in each round")
    asked.add_argument("--stations", type=int, default=12_000)
    asked.add_argument("--warm", type=int, default=50_000, help="before each round, not measured")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument(
        "--series",
        choices=("sql", "outbox"),
        help="where readings go: tables of the same database, or the outbox for InfluxDB; "
        f"as in operation, sql up to {SQL_STATIONS} stations when not given",
    )
    options = asked.parse_args()
    options.series = options.series or ("sql" if options.stations <= SQL_STATIONS else "outbox")
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    var, url = folder / "var", f"sqlite:///{folder}/hub.sqlite3"
    plans = province(options.stations)
    print(
        f"{options.stations} stations, {sum(len(p.devices) for p in plans)} devices, readings into "
        f"{options.series}; making messages …",
        flush=True,
    )
    furnish(url, plans)
    port = free_port()
    hall = open_hall(var, url, port)
    broker = Broker(var, port, free_port(), secrets=hall.secrets)
    broker.start()
    try:
        password = hall.secrets.broker_passwords["gateway"]
        bare = [sys.executable, "-m", "bench.bare_subscriber", str(port), "bench-bare", password, FILTERS]
        whole = [sys.executable, "-m", "bench.drain", str(var), url, str(port), options.series]
        _ask([*bare, "0", "0"])
        _ask([*whole, "0", "0"])
        each = options.warm + options.messages
        said = messages(
            plans, each * options.rounds + FIRST * options.stations, WallClock().now_ms(), options.seed
        )
        publisher = publisher_password(hall.secrets)
        # The first words of every station belong to no round.
        first = preload(port, publisher, (next(said) for _ in range(FIRST * options.stations)))
        _ask([*bare, str(first), "0"])
        _ask([*whole, str(first), "0"])
        rounds = []
        for number in range(options.rounds):
            count = preload(port, publisher, (next(said) for _ in range(each)))
            numbers = (str(count), str(options.warm))
            rounds.append(_line(number + 1, _ask([*bare, *numbers]), _ask([*whole, *numbers])))
        _sum_up(options, rounds)
    finally:
        broker.stop()
        hall.database.close()


def _ask(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"{command[2]} failed:\n{done.stderr[-2000:]}")
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


def _line(number: int, bare: dict[str, Any], whole: dict[str, Any]) -> dict[str, float]:
    counts = whole["counts"]
    figures = {
        "bare_us": bare["cpu_s"] / bare["messages"] * 1e6,
        "gateway_us": whole["cpu_s"] / whole["messages"] * 1e6,
        "bare_per_s": bare["messages"] / bare["wall_s"],
        "gateway_per_s": whole["messages"] / whole["wall_s"],
        "same": counts.get("same", 0) / counts["messages"],
        "changed": counts.get("changed", 0) / counts["messages"],
        "acks_per_message": counts.get("acks", 0) / counts["messages"],
    }
    figures["ratio"] = figures["gateway_per_s"] / figures["bare_per_s"]
    figures["cpu_ratio"] = figures["bare_us"] / figures["gateway_us"]
    f = figures
    print(
        f"round {number}: bare {f['bare_us']:.1f} µs, {f['bare_per_s']:,.0f}/s · "
        f"gateway {f['gateway_us']:.1f} µs, {f['gateway_per_s']:,.0f}/s · "
        f"ratio {f['ratio']:.2f} (CPU {f['cpu_ratio']:.2f}) · "
        f"same {f['same']:.1%}, changed {f['changed']:.1%}, acks {f['acks_per_message']:.2f} a message",
        flush=True,
    )
    return figures


def _sum_up(options: argparse.Namespace, rounds: list[dict[str, float]]) -> None:
    medians = {name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]}
    print(
        json.dumps(
            {
                "bench": "ingest",
                "series": options.series,
                "messages": options.messages,
                "rounds": len(rounds),
                **medians,
            }
        )
    )


if __name__ == "__main__":
    main()
