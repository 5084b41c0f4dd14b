"""CPU a message from broker to InfluxDB: gateway, courier and InfluxDB, beside Telegraf and InfluxDB."""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from bench.hall import publisher_password
from bench.mix import Message, messages, province
from bench.preload import preload
from bench.telegraf_chains import Hub, Telegraf, cpu_s, find_telegraf
from domain.clock_offset import PROMPT_MS
from runtime.clock import WallClock
from storage.influx import Influx, Param
from tests.influx import program

FIRST = 3
LOW = re.compile(rb'"low":\d+')
GOAL = 0.7
SAID_EVERY_MS = 8_000
"""How often a station of the mix says something."""
EXPLAINED = """\
ours: reads, decides by all rules, keeps state and an outbox in SQLite, confirms to broker and station, then
writes readings, a point for a device and one for each slot. theirs: Telegraf writes what it reads, a point
for a message, and confirms it to the broker; it decides and keeps nothing, and two messages of a device in
one millisecond are one point to it. Both take the same messages as fast as they are published, at QoS 1 in
a session that lasts, and write uncompressed; each has an InfluxDB and a broker of its own. Brokers are not
counted. Readings that are lost by either are named at the end."""


def main() -> None:
    """Print one line a round, then the medians; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--messages", type=int, default=60_000, help="in each round")
    asked.add_argument("--stations", type=int, default=12_000)
    asked.add_argument("--warm", type=int, default=50_000, help="before the first round, not measured")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--batch", type=int, default=1_000, help="Telegraf's metric_batch_size")
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    influxd, telegraf = program(), find_telegraf()
    if influxd is None:
        raise SystemExit("There is no influxd: build one with .ci/influxd.sh, or name it in INFLUXD.")
    if telegraf is None:
        raise SystemExit("There is no telegraf: build one with .ci/telegraf.sh.")
    plans = province(options.stations)
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder, ExitStack() as stack:
        print(EXPLAINED, flush=True)
        ours = Hub(Path(folder) / "ours", influxd, plans, stack)
        theirs = Telegraf(Path(folder) / "theirs", influxd, telegraf, options.batch, stack)
        warm = FIRST * options.stations + options.warm
        count = warm + options.messages * options.rounds
        begin_ms = WallClock().now_ms() - _begun_before_ms(count, options.stations)
        said = _keeping(messages(plans, count, begin_ms, options.seed))
        chains = Chains(ours, theirs)
        chains.round(islice(said, warm))
        rounds = []
        for number in range(options.rounds):
            took = chains.round(islice(said, options.messages), turned=number % 2 == 1)
            rounds.append(_line(number + 1, took))
        kept = chains.count(begin_ms)
        _sum_up(options, rounds, chains.readings, kept, telegraf)


def _keeping(said: Iterator[Message]) -> Iterator[Message]:
    """The same from stations that let go of nothing.

    Those of the mix are confirmed at once, before the hub has seen what waits in the other lane, and
    would tell it not to wait for that any more.
    """
    for topic, payload in said:
        yield topic, LOW.sub(b'"low":0', payload, count=1)


def _begun_before_ms(count: int, stations: int) -> int:
    """How long stations need to say that much: what they say must not come before they say it.

    A clock that runs ahead of the hub's costs a field a point. Beyond what counts as prompt it stays so.
    """
    return min(count * SAID_EVERY_MS // stations, PROMPT_MS)


class Chains:
    """Gives both the same messages, one after the other."""

    def __init__(self, ours: Hub, theirs: Telegraf) -> None:
        self._ours = ours
        self._theirs = theirs
        self.readings = 0

    def round(self, said: Iterator[Message], *, turned: bool = False) -> dict[str, dict[str, float]]:
        """Let both take these messages; CPU a message of each process, in µs."""
        batch = list(said)
        self.readings += sum(topic.endswith("/telemetry") for topic, _ in batch)
        took = {}
        order: Sequence[Hub | Telegraf] = (self._ours, self._theirs)
        for chain in reversed(order) if turned else order:
            pids = chain.pids()
            before_s = {name: cpu_s(pid) for name, pid in pids.items()}
            preload(chain.port, publisher_password(chain.secrets), batch)
            chain.wait(self.readings)
            took[chain.name] = {
                name: (cpu_s(pid) - before_s[name]) / len(batch) * 1e6 for name, pid in pids.items()
            }
        return took

    def count(self, begin_ms: int) -> dict[str, tuple[int, int]]:
        """Readings and values of each that can be read back."""
        return {
            chain.name: (_count(chain, chain.reading, begin_ms), _count(chain, chain.counted, begin_ms))
            for chain in (self._ours, self._theirs)
        }


def _count(chain: Hub | Telegraf, which: str, begin_ms: int) -> int:
    influx = Influx(chain.at, read_s=120)
    flux = (
        f"from(bucket: p_bucket) |> range(start: p_from, stop: p_to) |> filter(fn: (r) => {which})"
        " |> count() |> group() |> sum() |> map(fn: (r) => ({_time: p_from, _value: r._value}))"
    )
    begin = datetime.fromtimestamp(begin_ms / 1000, UTC)
    params: dict[str, Param] = {
        "p_bucket": chain.at.bucket, "p_from": begin - timedelta(days=1), "p_to": begin + timedelta(days=7)
    }  # fmt: skip
    found = [int(row.value or 0) for row in influx.ask(flux, params)]
    influx.close()
    return sum(found)


def _line(number: int, took: dict[str, dict[str, float]]) -> dict[str, float]:
    figures = {f"{chain}_{name}_us": us for chain, parts in took.items() for name, us in parts.items()}
    for chain, parts in took.items():
        figures[f"{chain}_us"] = sum(parts.values())
    figures["ratio"] = figures["theirs_us"] / figures["ours_us"]
    told = " · ".join(
        f"{chain} {figures[f'{chain}_us']:.1f} µs ("
        + ", ".join(f"{name} {us:.1f}" for name, us in parts.items())
        + ")"
        for chain, parts in sorted(took.items())
    )
    print(f"round {number}: {told} · theirs/ours {figures['ratio']:.2f}", flush=True)
    return figures


def _sum_up(
    options: argparse.Namespace,
    rounds: list[dict[str, float]],
    readings: int,
    kept: dict[str, tuple[int, int]],
    telegraf: Path,
) -> None:
    for name, (found, values) in kept.items():
        print(f"{name}: {found:,} of {readings:,} readings in InfluxDB, {values:,} values")
    medians = {name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]}
    print(
        json.dumps(
            {
                "bench": "telegraf", "messages": options.messages, "rounds": len(rounds), **medians,
                "lost": readings - kept["ours"][0], "theirs_lost": readings - kept["theirs"][0],
                "goal": GOAL, "telegraf": telegraf.name.partition("-")[2],
                "python": sys.version.split()[0], "cores": os.cpu_count(),
            }
        )
    )  # fmt: skip
    if kept["ours"][0] != readings or medians["ratio"] < GOAL:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
