"""A back-test on several cores: each process takes some of the stations."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from typing import Final

from rules.away import HubAway
from rules.books import Books, BookText, read_books
from rules.calendar import Calendar
from rules.tally import Tally
from storage.backtests import WARM_UP_MS, Pairs, Period, backtest, station_ids
from storage.database import Database, open_database
from storage.elsewhere import readings_at
from storage.hub_away import hub_away
from storage.influx_at import InfluxAt

WORTH_IT: Final = 8
"""Fewer stations are done before another process has started."""
SHARES_PER_CORE: Final = 16
"""Small ones, so that all cores end at about the same time."""
MOST_CORES: Final = 8


def backtest_on_all_cores(
    url: str,
    database: Database,
    before: Sequence[BookText],
    after: Sequence[BookText],
    period: Period,
    *,
    cores: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    at: InfluxAt | None = None,
    calendar: Calendar | None = None,
) -> Tally:
    """The same as `storage.backtests.backtest`; `url` is the address of `database`, `at` of its readings."""
    ids = station_ids(database, period)
    with readings_at(at) as influx:
        away = hub_away(database, period.from_ms - WARM_UP_MS, period.to_ms, influx)
    workers = min(cores or os.cpu_count() or 1, MOST_CORES)
    if workers < 2 or len(ids) < WORTH_IT:
        old, new = read_books(before), read_books(after)
        with readings_at(at) as influx:
            return backtest(
                database, old, new, period,
                only=ids, away=away, progress=progress, influx=influx, calendar=calendar,
            )  # fmt: skip
    size = max(1, -(-len(ids) // (workers * SHARES_PER_CORE)))
    shares = [ids[at : at + size] for at in range(0, len(ids), size)]
    tally = Tally(period.to_ms)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [
            pool.submit(_share, url, tuple(before), tuple(after), period, share, away, at, calendar)
            for share in shares
        ]
        for ended in as_completed(running):
            tally.merge(ended.result())
            progress(tally.stations, len(ids))
    return tally


@lru_cache(maxsize=1)
def _ready(
    url: str, before: tuple[BookText, ...], after: tuple[BookText, ...]
) -> tuple[Database, Books, Books, Pairs]:
    """Made once in each process, not once for each share; it ends with the process."""
    # Millions of short-lived rows and hardly a circle among them: looking for circles often is waste.
    gc.set_threshold(200_000, 50, 50)
    return open_database(url, connections=1), read_books(before), read_books(after), {}


def _share(
    url: str,
    before: tuple[BookText, ...],
    after: tuple[BookText, ...],
    period: Period,
    ids: Sequence[str],
    away: HubAway,
    at: InfluxAt | None,
    calendar: Calendar | None,
) -> Tally:
    database, old, new, pairs = _ready(url, before, after)
    with readings_at(at) as influx:
        return backtest(
            database, old, new, period,
            only=ids, away=away, influx=influx, calendar=calendar, pairs=pairs,
        )  # fmt: skip
