"""Sends readings from the outbox to InfluxDB: in order, at least once, one sender at a time."""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import tenacity

from courier.hub_words import HubWords
from courier.outbox_bound import OutboxBound
from courier.series_batch import ROWS_AT_ONCE, Batch, Prepared, Refused, Writer, deliver
from domain import topics
from domain.clock import Clock
from domain.errors import StorageUnavailable
from storage import outbox_hours, parked, rollups, sending, series_outbox
from storage.database import Database
from storage.influx import InfluxAway, InfluxLocked
from storage.retention import DAY_MS
from storage.sending import State
from storage.series_outbox import SENT

LOOK_EVERY_S: Final = 1.0
LONGEST_WAIT_S: Final = 10.0
LONGEST_ASKED_S: Final = 300.0
HOLD_S: Final = 20.0
FORGET_AT_ONCE: Final = 10_000
AGAIN_EVERY_S: Final = 5.0
PRUNE_EVERY_S: Final = 3600.0
MARGIN_MS: Final = 60_000
"""So much before their time readings count as too old, since two clocks are asked."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """How long InfluxDB keeps readings, and how large the outbox may become."""

    retention_days: int = 30
    outbox_max_bytes: int = 20_000_000_000


class SeriesSender:
    """One of any number; the database says which one sends."""

    def __init__(
        self,
        database: Database,
        influx: Writer,
        clock: Clock,
        options: SenderOptions,
        words: HubWords | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._db = database
        self._influx = influx
        self._clock = clock
        self._options = options
        self._words = words or HubWords([], clock, "")
        self._jitter = jitter or random.Random()
        self._name = secrets.token_hex(8)
        self._bound = OutboxBound(database, clock, self._words, options.outbox_max_bytes)
        self._more = False
        self._held_until_s = 0.0
        self._again_at_s = 0.0
        self._prune_at_s = 0.0
        self._noted: tuple[State, str] = ("idle", "")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; whoever is away is waited for, with longer and longer pauses."""
        patiently = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StorageUnavailable),
            wait=self._wait_s,
            stop=tenacity.stop_when_event_set(stop),
            sleep=tenacity.sleep_using_event(stop),
            before_sleep=self._complain,
            reraise=True,
        )
        try:
            while not stop.is_set():
                patiently(self.round)
                if not self._more:
                    # Many at once cost less, here and in InfluxDB.
                    stop.wait(LOOK_EVERY_S)
        except StorageUnavailable:
            pass  # asked to stop meanwhile
        finally:
            self._let_go()

    def round(self) -> int:
        """One step; returns how many messages were dealt with.

        Raises InfluxAway, InfluxLocked or StorageUnavailable; then nothing is lost, and what was written
        already is written again.
        """
        self._more = False
        if not self._hold():
            return 0
        self._bound.keep(self._name)
        self._words.deliver()
        done = self._send_new()
        if self._clock.monotonic_s() >= self._again_at_s:
            done += self._send_again()
            self._again_at_s = self._clock.monotonic_s() + (0 if done else AGAIN_EVERY_S)
        self._prune()
        return done

    def _hold(self) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s < self._held_until_s:
            return True
        with self._db.write() as connection:
            mine = sending.claim(connection, self._name, self._clock.now_ms())
        self._held_until_s = now_s + HOLD_S if mine else 0.0
        return mine

    def _send_new(self) -> int:
        batch = Batch(self._oldest_ms())
        with self._db.read() as connection:
            begin = at = series_outbox.reached(connection, SENT)
            while not batch.full:
                rows = series_outbox.read(connection, at, ROWS_AT_ONCE)
                batch.add(rows)
                at = batch.last_id
                if len(rows) < ROWS_AT_ONCE:
                    break
        if not len(batch):
            return 0
        refused = [*batch.refused, *deliver(self._influx, batch.prepared)]
        now_ms = self._clock.now_ms()
        too_old = [*batch.too_old, *(one.kept for one in refused if _is_age(one))]
        refused = [one for one in refused if not _is_age(one)]
        gone = {one.id for one in too_old} | {one.kept.id for one in refused}
        arrived = [one for one in batch.prepared if one.kept.id not in gone]
        with self._db.write() as connection:
            moved = sending.advance(
                connection, self._name, begin, batch.last_id,
                messages=len(arrived), points=sum(one.points for one in arrived), too_old=len(too_old),
            )  # fmt: skip
            if moved:
                outbox_hours.roll_up(connection, too_old)
                parked.park(connection, refused, now_ms)
                # From now on they can be read, so hours that were rolled up without them are wrong.
                rollups.mark_hours(connection, _late(arrived, now_ms))
                series_outbox.forget(connection, FORGET_AT_ONCE)
        if not moved:
            self._held_until_s = 0.0
            return 0
        self._more = batch.full
        self._tell_refused(refused)
        self._settle()
        return len(batch)

    def _send_again(self) -> int:
        """What was put aside and shall be tried once more."""
        with self._db.read() as connection:
            rows = parked.next_again(connection, ROWS_AT_ONCE)
        if not rows:
            return 0
        batch = Batch(self._oldest_ms())
        batch.add(rows)
        refused = [*batch.refused, *deliver(self._influx, batch.prepared)]
        failed = {one.kept.id for one in refused}
        arrived = [one for one in batch.prepared if one.kept.id not in failed]
        with self._db.write() as connection:
            parked.park(connection, refused, self._clock.now_ms())
            outbox_hours.roll_up(connection, batch.too_old)
            parked.settle(connection, [*(one.id for one in batch.too_old), *(one.kept.id for one in arrived)])
            rollups.mark_hours(connection, _late(arrived, self._clock.now_ms()))
        self._more |= len(rows) == ROWS_AT_ONCE
        self._tell_refused(refused)
        return len(batch)

    def _oldest_ms(self) -> int:
        return self._clock.now_ms() - self._options.retention_days * DAY_MS + MARGIN_MS

    def _prune(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._prune_at_s:
            return
        with self._db.write() as connection:
            more = parked.prune(
                connection, self._clock.now_ms() - self._options.retention_days * DAY_MS, 1000
            )
        self._prune_at_s = now_s + (0.0 if more else PRUNE_EVERY_S)

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked_s = error.retry_after_s if isinstance(error, InfluxAway) else 0.0
        longest_s = min(LONGEST_WAIT_S, 0.5 * 2.0 ** min(state.attempt_number, 10))
        return max(self._jitter.uniform(0.0, longest_s), min(asked_s, LONGEST_ASKED_S))

    def _complain(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        said = str(error)
        if isinstance(error, InfluxLocked):
            if self._note("locked", said):
                _log.error("%s Readings wait in the outbox.", said, extra={"action": "series.locked"})
                self._words.say(
                    "influx",
                    "【严重】时序数据库拒绝接收：令牌、组织或存储桶不对。读数暂存磁盘，请尽快处理。",
                    "[Major] InfluxDB refuses our token, organisation or bucket; readings wait on disk.",
                )
        elif isinstance(error, InfluxAway):
            if self._note("away", said):
                _log.warning("%s Readings wait in the outbox.", said, extra={"action": "series.away"})
        else:
            _log.warning(
                "Readings wait, the database does not answer: %s", said, extra={"action": "series.database"}
            )

    def _settle(self) -> None:
        before = self._noted[0]
        if self._note("sending", "") and before in ("away", "locked"):
            _log.info("InfluxDB takes readings again.", extra={"action": "series.sending"})
            if before == "locked":
                self._words.say(
                    "influx", "【恢复】时序数据库恢复接收。", "[Over] InfluxDB takes readings again."
                )

    def _note(self, state: State, said: str) -> bool:
        """Write down a new state; True when it is new, with whatever words."""
        if self._noted == (state, said):
            return False
        new = self._noted[0] != state
        try:
            with self._db.write() as connection:
                sending.note(connection, self._name, state, said, self._clock.now_ms())
        except StorageUnavailable:
            return new
        self._noted = (state, said)
        return new

    def _tell_refused(self, refused: Sequence[Refused]) -> None:
        if refused:
            first = refused[0]
            _log.error(
                "%d messages were put aside because InfluxDB will not take them, such as %d from %s (%d: %s)."
                " ./waystation series parked lists them.",
                len(refused), first.kept.id, first.kept.topic, first.status, first.said,
                extra={"action": "series.parked"},
            )  # fmt: skip

    def _let_go(self) -> None:
        try:
            with self._db.write() as connection:
                sending.release(connection, self._name)
        except StorageUnavailable:
            pass


def _late(arrived: Iterable[Prepared], now_ms: int) -> set[tuple[str, int]]:
    """The hours of stations that may have been rolled up without these messages."""
    border_ms = rollups.border_of(now_ms)
    return {
        (topics.parse(one.kept.topic).device.station, rollups.hour_of(one.kept.at_ms))
        for one in arrived
        if one.kept.at_ms < border_ms
    }


def _is_age(refused: Refused) -> bool:
    return refused.status == 422 and "retention" in refused.said
