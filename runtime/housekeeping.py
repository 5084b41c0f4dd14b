"""Taking out what is older than the retention, a little at a time beside the real work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Event

from domain.clock import Clock
from domain.errors import StorageUnavailable
from runtime.settings import Settings
from storage import retention
from storage.database import Database
from storage.series import Series

logger = logging.getLogger(__name__)

FIRST_AFTER_S = 120.0
EVERY_S = 3600.0
PAUSE_S = 0.2


def sweep(
    database: Database, series: Series, settings: Settings, now_ms: int, raw_days: int
) -> Iterator[None]:
    """Delete in short transactions, one at each `next`."""
    keep = retention.Keep(raw_days=raw_days, record_days=max(raw_days, settings.rollup_retention_days))
    return retention.prune(database, series, keep, now_ms)


def keep_tidy(database: Database, series: Series, settings: Settings, clock: Clock, stop: Event) -> None:
    """Sweep every hour until `stop` is set; a database that is away is left alone until the next time."""
    wait_s = FIRST_AFTER_S
    while not stop.wait(wait_s):
        wait_s = EVERY_S
        try:
            for _ in sweep(database, series, settings, clock.now_ms(), settings.retention_days):
                if stop.wait(PAUSE_S):
                    return
        except StorageUnavailable as exc:
            logger.warning("Old rows could not be taken out: %s", exc, extra={"action": "sweep_failed"})
