"""Claims notices that are due, sends them, and writes down what came of it."""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final

import tenacity
from sqlalchemy import Connection

from courier.channel import Channel, NotDelivered
from courier.message import message_of
from domain.clock import Clock
from domain.errors import StorageUnavailable
from storage import notices
from storage.database import Database
from storage.notices import NoticeRow

LOOK_EVERY_S: Final = 0.5
FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 600.0
AT_ONCE: Final = 5
"""Few at once, so that a slow receiver cannot make a claim outlive its minute."""
MARK_WITHIN_S: Final = 30.0

_log = logging.getLogger(__name__)
_Write = Callable[[Connection], bool]


class Courier:
    """One sender; any number of them may run, the rows say who sends what."""

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        clock: Clock,
        *,
        base_url: str,
        jitter: random.Random | None = None,
    ) -> None:
        self._db = database
        self._channels = list(channels)
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._name = secrets.token_hex(8)
        self._jitter = jitter or random.Random()
        self._complaints: dict[str, str] = {}
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a database that is away is waited for."""
        self._stop = stop
        if not self._channels:
            _log.warning(
                "No channel is set up, so alerts are shown but sent to nobody: set WAYSTATION_WEBHOOK_URL.",
                extra={"action": "courier.no_channel"},
            )
        begun = False
        while not stop.is_set():
            try:
                if not begun:
                    self.begin()
                    begun = True
                busy = self.round() > 0
                self._settle("database", "The database answers again.")
            except StorageUnavailable as error:
                self._complain("database", f"Notices wait, because the database does not answer: {error}")
                busy = False
            if not busy:
                stop.wait(LOOK_EVERY_S)
        for channel in self._channels:
            channel.close()

    def begin(self) -> None:
        """A channel that has just been set up hears of what is open. Raises StorageUnavailable."""
        for channel in self._channels:
            with self._db.write() as conn:
                open_already = notices.begin(conn, channel.name, self._clock.now_ms())
            if open_already:
                _log.info(
                    "%d alerts were open before %s was set up and are told now.",
                    open_already, channel.name, extra={"action": "courier.begun"},
                )  # fmt: skip

    def round(self) -> int:
        """Look once at every channel; returns how many notices were tried. Raises StorageUnavailable."""
        return sum(self._round(channel) for channel in self._channels)

    def _round(self, channel: Channel) -> int:
        now_ms = self._clock.now_ms()
        with self._db.read() as conn:
            if not notices.due(conn, channel.name, now_ms):
                return 0
        with self._db.write() as conn:
            claimed = notices.claim(conn, channel.name, self._name, now_ms, AT_ONCE)
        started_s = self._clock.monotonic_s()
        for row in claimed:
            # What cannot be begun within the claim's life is left to whoever claims it next.
            if self._clock.monotonic_s() - started_s > notices.CLAIM_LIFE_MS / 2000 or self._stop.is_set():
                self._put_back(row)
            else:
                self._deliver(channel, row)
        return len(claimed)

    def _put_back(self, row: NoticeRow) -> None:
        now_ms = self._clock.now_ms()
        self._mark(lambda conn: notices.retry(conn, row, now_ms, "not begun", maybe_arrived=False))

    def _deliver(self, channel: Channel, row: NoticeRow) -> None:
        if row.repeated:
            _log.info(
                "A notice may arrive twice; it says so itself.",
                extra={"action": "courier.repeated", "notice": row.id},
            )
        try:
            channel.send(message_of(row, self._base_url, self._clock.now_ms()))
        except NotDelivered as error:
            self._not_delivered(channel, row, error)
        else:
            self._settle(channel.name, f"The channel {channel.name} takes messages again.")
            self._mark(lambda conn: notices.sent(conn, row, self._clock.now_ms()))

    def _not_delivered(self, channel: Channel, row: NoticeRow, error: NotDelivered) -> None:
        said = str(error)
        if error.permanent:
            _log.error(
                "A notice will never arrive: %s. Alert %s at station %s has reached nobody by %s.",
                said, row.alert.code, row.alert.station, channel.name,
                extra={"action": "courier.failed", "notice": row.id},
            )  # fmt: skip
            self._mark(lambda conn: notices.failed(conn, row, said))
            return
        self._complain(
            channel.name, f"Messages by {channel.name} do not arrive: {said}. They are kept and tried again."
        )
        wait_s = self._wait_s(row.attempts, error.retry_after_s)
        next_ms = self._clock.now_ms() + round(wait_s * 1000)
        self._mark(lambda conn: notices.retry(conn, row, next_ms, said, error.maybe_arrived))

    def _wait_s(self, attempts: int, asked_s: float | None) -> float:
        """Doubling from 5 s to 10 min, between half of it and all of it, so that not all come at once."""
        doubled = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))
        return max(doubled * self._jitter.uniform(0.5, 1.0), min(asked_s or 0.0, LONGEST_WAIT_S))

    def _mark(self, write: _Write) -> None:
        """What was sent must be written down as sent, or it is sent again: so this tries for a while."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StorageUnavailable),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
            stop=tenacity.stop_after_delay(MARK_WITHIN_S) | tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            reraise=True,
        )
        for attempt in attempts:
            with attempt, self._db.write() as conn:
                write(conn)

    def _complain(self, about: str, said: str) -> None:
        if self._complaints.get(about) != said:
            self._complaints[about] = said
            _log.warning(said, extra={"action": f"courier.{about}"})

    def _settle(self, about: str, said: str) -> None:
        if self._complaints.pop(about, None) is not None:
            _log.info(said, extra={"action": f"courier.{about}"})
