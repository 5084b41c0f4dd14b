"""How long a week of stations takes to be judged again by two rulebooks; it makes the week itself."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from bench.stored_week import PERIOD_MS, furnish_week
from rules.books import BookText, read_books, severities_of
from runtime.first_rulebook import SHIPPED
from storage.backtests import Period
from storage.database import Database, open_database
from storage.parallel_backtest import backtest_on_all_cores

GOAL_S = 20.0
BEGIN_MS = 1_795_000_000_000
CHANGES = (
    ("temp_c >= 60", "temp_c >= 55"),
    (
        'when: leaf == "open" && mode == "normal"\n    for: 2m',
        'when: leaf == "open" && mode == "normal"\n    for: 5m',
    ),
)
"""What the new rulebook says otherwise."""


def main() -> None:
    """Print what was made, the table of rules, the seconds; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--stations", type=int, default=40)
    asked.add_argument("--equipped", type=int, default=32)
    asked.add_argument("--cabinets", type=int, default=13)
    asked.add_argument("--slots", type=int, default=11)
    asked.add_argument("--days", type=float, default=7.0)
    asked.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--keep", type=Path, help="keep the database in this file, or take it from there")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        _run(options.keep or Path(folder) / "hub.sqlite3", options)


def _run(file: Path, options: argparse.Namespace) -> None:
    # Every process of the pool imports this file again, and makes no tables.
    from storage.migrate import upgrade

    minutes = round(options.days * 1440)
    url = f"sqlite:///{file}"
    there = file.exists()
    upgrade(url)
    database = open_database(url)
    if not there:
        begun = time.perf_counter()
        messages, parts = furnish_week(
            database, count=options.stations, equipped=options.equipped, cabinets=options.cabinets,
            slots=options.slots, begin_ms=BEGIN_MS, minutes=minutes,
        )  # fmt: skip
        made_s = time.perf_counter() - begun
        print(
            f"{options.stations} stations, {options.equipped} with devices: {messages:,} messages and "
            f"{parts:,} rows of parts made in {made_s:.0f} s ({file.stat().st_size / 1e6:.0f} MB)",
            flush=True,
        )
    period = Period(BEGIN_MS, BEGIN_MS + minutes * PERIOD_MS)
    old = SHIPPED.read_text(encoding="utf-8")
    few = old
    for said, instead in CHANGES:
        if said not in few:
            raise SystemExit(f"The rulebook no longer says {said!r}; mend CHANGES.")
        few = few.replace(said, instead, 1)
    every = _every_rule_changed(old)
    figures = {
        "two_rules_changed": _time(url, database, old, few, period, cores=options.cores, show=True),
        "every_rule_changed": _time(url, database, old, every, period, cores=options.cores, show=False),
    }
    database.close()
    worst_s = max(one["seconds"] for one in figures.values())
    print(f"worst {worst_s:.1f} s, goal {GOAL_S:.0f} s {'met' if worst_s <= GOAL_S else 'NOT met'}")
    print(
        json.dumps(
            {
                "bench": "backtest", "days": options.days, "stations": options.stations,
                "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version,
                "cores": options.cores,
                "rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, **figures,
            }
        )
    )  # fmt: skip


def _cpu_s() -> float:
    """Of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _every_rule_changed(text: str) -> str:
    """A full stop more in every English text: the same verdicts, and no rule is like its old self."""
    return (
        text.replace("[Emergency] ", "[Emergency]  ")
        .replace("[Major] ", "[Major]  ")
        .replace("[Minor] ", "[Minor]  ")
        .replace("[Notice] ", "[Notice]  ")
    )


def _time(
    url: str, database: Database, old: str, new: str, period: Period, *, cores: int, show: bool
) -> dict[str, float]:
    texts = [BookText(old, 1, "in force")], [BookText(new, 2, "new")]
    before, after = (read_books(text) for text in texts)
    begun, cpu_s = time.perf_counter(), _cpu_s()
    tally = backtest_on_all_cores(url, database, *texts, period, cores=cores)
    took_s, cpu_s = time.perf_counter() - begun, _cpu_s() - cpu_s
    print(
        f"{tally.stations} stations, {tally.devices} devices, {tally.messages:,} messages, "
        f"{len(before.province.rules)} and {len(after.province.rules)} rules: {took_s:.1f} s "
        f"({took_s / max(1, tally.messages) * 1e6:.1f} µs a message, CPU {cpu_s:.1f} s) · {tally.summary()}",
        flush=True,
    )
    if show:
        severities = severities_of(before, after)
        print(f"  {'rule':28} {'in force':>8} {'new':>8}  counties")
        for row in tally.rows(severities):
            if row.most:
                print(
                    f"  {row.code:28} {row.before.alerts.total():8} {row.after.alerts.total():8}  "
                    f"{len(list(row.counties()))}"
                )
    return {
        "seconds": round(took_s, 2), "cpu_s": round(cpu_s, 2), "messages": tally.messages,
        "alerts_before": tally.alerts("before"), "alerts_after": tally.alerts("after"),
    }  # fmt: skip


if __name__ == "__main__":
    main()
