"""Rolling up hours that are over, and taking out what is too old, a little at a time beside the real work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Event

from domain.clock import Clock
from domain.errors import WaystationError
from runtime.holidays import timetables
from runtime.settings import Settings
from storage import retention, rolling
from storage.database import Database
from storage.series import Series

logger = logging.getLogger(__name__)

FIRST_AFTER_S = 120.0
EVERY_S = 600.0
SWEEP_EVERY = 6
PAUSE_S = 0.2
ROLL_PAUSE_S = 0.01


def sweep(
    database: Database, series: Series, settings: Settings, now_ms: int, raw_days: int
) -> Iterator[None]:
    """Roll up, and delete what is too old, in short transactions, one at each `next`."""
    yield from roll(database, series, settings, now_ms, raw_days)
    yield from retention.prune(database, series, _keep(settings, raw_days), now_ms)


def roll(
    database: Database, series: Series, settings: Settings, now_ms: int, raw_days: int
) -> Iterator[None]:
    """Roll up the hours that are over, in short transactions, one at each `next`."""
    raw_from_ms = _keep(settings, raw_days).raw_from_ms(now_ms)
    return rolling.roll(database, series, timetables(settings), now_ms, raw_from_ms)


def keep_tidy(database: Database, series: Series, settings: Settings, clock: Clock, stop: Event) -> None:
    """Roll up every ten minutes and sweep every hour until `stop` is set; a database that is away is left
    alone until the next time."""
    wait_s, turn = FIRST_AFTER_S, 0
    while not stop.wait(wait_s):
        wait_s, now_ms = EVERY_S, clock.now_ms()
        try:
            for _ in roll(database, series, settings, now_ms, settings.retention_days):
                if stop.wait(ROLL_PAUSE_S):
                    return
            if turn % SWEEP_EVERY == 0:
                for _ in sweep(database, series, settings, now_ms, settings.retention_days):
                    if stop.wait(PAUSE_S):
                        return
            turn += 1
        except WaystationError as exc:
            logger.warning(
                "Hours wait to be rolled up, and old rows to be taken out: %s",
                exc,
                extra={"action": "sweep_failed"},
            )


def _keep(settings: Settings, raw_days: int) -> retention.Keep:
    return retention.Keep(raw_days=raw_days, record_days=max(raw_days, settings.rollup_retention_days))
