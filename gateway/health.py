"""Whether the gateway does its work: for /readyz, for the log, for whoever restarts it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from tenacity import RetryCallState

from domain.clock import Clock
from storage.errors import DiskFull
from transport.hub import HubLink

logger = logging.getLogger(__name__)

STUCK_AFTER_S = 10.0
SAY_AGAIN_S = 30.0


class Health:
    """Written by the gateway's thread, read from any."""

    def __init__(self, clock: Clock, hub: HubLink) -> None:
        self._clock = clock
        self._hub = hub
        self._database_down_s: float | None = None
        self._said_s = 0.0
        self._disk_full = False
        self.listens = False
        self.counts: Counter[str] = Counter()
        self.turn_s = clock.monotonic_s()

    def turned(self, messages: int) -> None:
        """A turn of the loop began with this many messages."""
        self.turn_s = self._clock.monotonic_s()
        self.counts["messages"] += messages

    def committed(self, counts: Mapping[str, int]) -> None:
        """A batch was committed."""
        self.counts.update(counts)
        self.counts["commits"] += 1

    def database_fails(self, attempt: RetryCallState) -> None:
        """The database did not take a transaction; said at once and then every 30 s."""
        now_s = self._clock.monotonic_s()
        self.turn_s = now_s
        if self._database_down_s is None:
            self._database_down_s = now_s
            self._said_s = 0.0
        error = attempt.outcome.exception() if attempt.outcome else None
        disk_full = isinstance(error, DiskFull)
        if disk_full != self._disk_full:
            self._disk_full, self._said_s = disk_full, 0.0
        if now_s - self._said_s >= SAY_AGAIN_S or self._said_s == 0.0:
            self._said_s = now_s
            logger.log(
                logging.ERROR if disk_full else logging.WARNING,
                "The database has taken nothing for %.0f s, messages wait at the broker: %s",
                now_s - self._database_down_s,
                error,
                extra={"action": "disk_full" if disk_full else "database_down"},
            )

    def database_works(self) -> None:
        """A transaction went through."""
        if self._database_down_s is not None:
            down_s = self._clock.monotonic_s() - self._database_down_s
            logger.info("The database answers again after %.0f s", down_s, extra={"action": "database_up"})
            self._database_down_s, self._disk_full = None, False

    def problems(self) -> list[str]:
        """What is wrong now, in sentences; empty when all is well."""
        found = []
        status = self._hub.status()
        if not status.thread_alive:
            found.append("The network thread has died.")
        elif status.last_turn_age_s > STUCK_AFTER_S:
            found.append(f"The network thread has not moved for {status.last_turn_age_s:.0f} s.")
        for name, lane in status.lanes.items():
            if not lane.ready:
                found.append(f"The {name} lane does not hear the broker.")
        if self._disk_full:
            found.append("The disk is full under the database: nothing is promised until there is room.")
        elif self._database_down_s is not None:
            found.append("The database does not answer.")
        if self._clock.monotonic_s() - self.turn_s > STUCK_AFTER_S:
            found.append("The gateway's loop is stuck.")
        return found

    @property
    def turns(self) -> bool:
        """True while the loop moves, also when it waits for a database; it need not before it listens."""
        return not self.listens or self._clock.monotonic_s() - self.turn_s <= STUCK_AFTER_S

    @property
    def dead(self) -> bool:
        """True when only a restart helps."""
        if not self.listens:
            return False
        status = self._hub.status()
        return not status.thread_alive or status.last_turn_age_s > 3 * STUCK_AFTER_S
