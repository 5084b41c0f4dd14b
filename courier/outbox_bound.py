"""Keeps the outbox within its bound: warns long before, and beyond it makes hours of the oldest readings."""

from __future__ import annotations

import logging
from typing import Final

from courier.hub_words import HubWords
from domain.clock import Clock
from storage import outbox_hours, sending, series_outbox
from storage.database import Database
from storage.series_outbox import SENT

LOOK_EVERY_S: Final = 10.0
WARN_AT: Final = (0.25, 0.5, 0.8)
DOWN_TO: Final = 0.98
ROWS_AT_ONCE: Final = 500
STEPS_AT_ONCE: Final = 200

_log = logging.getLogger(__name__)


class OutboxBound:
    """Looks now and then at how much waits to be sent."""

    def __init__(self, database: Database, clock: Clock, words: HubWords, max_bytes: int) -> None:
        self._db = database
        self._clock = clock
        self._words = words
        self._max_bytes = max_bytes
        self._next_s = 0.0
        self._warned = 0.0

    def keep(self, holder: str) -> None:
        """Look, when it is time to; only whoever sends may do so."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LOOK_EVERY_S
        with self._db.read() as connection:
            rows, size = sending.measure(connection)
        self._warn(size)
        if size > self._max_bytes:
            surplus = rows - int(rows * self._max_bytes * DOWN_TO / size)
            self._make_hours(holder, surplus)

    def _make_hours(self, holder: str, surplus: int) -> None:
        done = 0
        for _ in range(STEPS_AT_ONCE):
            if done >= surplus:
                break
            with self._db.write() as connection:
                begin = series_outbox.reached(connection, SENT)
                rows = series_outbox.read(connection, begin, min(ROWS_AT_ONCE, surplus - done))
                if not rows or not sending.advance(
                    connection, holder, begin, rows[-1].id, rolled_up=len(rows)
                ):
                    break
                outbox_hours.roll_up(connection, rows)
                series_outbox.forget(connection, 2 * ROWS_AT_ONCE)
            done += len(rows)
        if done < surplus:
            self._next_s = 0.0
        _log.error(
            "The outbox is full (WAYSTATION_OUTBOX_MAX_MB): the oldest %d readings are kept as hours only.",
            done,
            extra={"action": "series.outbox_full"},
        )

    def _warn(self, size: int) -> None:
        share = size / self._max_bytes
        level = max((one for one in WARN_AT if share >= one), default=0.0)
        if level == self._warned or (level < self._warned and share > self._warned - 0.1):
            return
        more, self._warned = level > self._warned, level
        mb, of_mb = size // 1_000_000, self._max_bytes // 1_000_000
        if more:
            _log.warning(
                "Readings wait for InfluxDB: %d of %d MB that the outbox may hold.", mb, of_mb,
                extra={"action": "series.outbox"},
            )  # fmt: skip
            self._words.say(
                "outbox",
                f"【严重】{mb} MB 读数等待写入时序数据库，上限 {of_mb} MB；超出后最早的只留每小时汇总。",
                f"[Major] {mb} MB of readings wait for InfluxDB; beyond {of_mb} MB the oldest become hours.",
            )
        elif not level:
            _log.info("The outbox is small again.", extra={"action": "series.outbox"})
            self._words.say(
                "outbox", "【恢复】待写入读数已基本清空。", "[Over] Hardly any readings wait for InfluxDB."
            )
