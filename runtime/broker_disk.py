"""A broker whose disk was full keeps refusing until it is started again: who notices, says so and does it."""

from __future__ import annotations

import logging
import os
from typing import Final

from domain.clock import Clock
from runtime.broker import Broker
from runtime.broker_outside import said_since

logger = logging.getLogger(__name__)

FULL_BELOW_BYTES: Final = 1 << 20
ROOM_BYTES: Final = 8 << 20
SAY_AGAIN_S: Final = 30.0
START_AGAIN_AFTER_S: Final = 5.0
# What nats-server says when JetStream could not write. It does not try again by itself, room or not.
_CANNOT_WRITE: Final = ("Critical write error", "failed to store a msg", "will be DISABLED")


class BrokerDisk:
    """To be asked every half second or so, by the one who runs the broker."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._said_s: float | None = None
        self._started_s = clock.monotonic_s()
        self._position = 0
        self._cannot_write = False
        self.skip_log()

    def skip_log(self) -> None:
        """The broker has just been started: what it said before does not count."""
        log = self._broker.files.log
        self._position = log.stat().st_size if log.exists() else 0
        self._cannot_write = False
        self._started_s = self._clock.monotonic_s()

    @property
    def has_room(self) -> bool:
        """Enough for a start."""
        return self._free_bytes() >= ROOM_BYTES

    def look(self) -> None:
        """Say that the disk is full, and start the broker again when there is room. Raises BrokerFailed."""
        free_bytes = self._free_bytes()
        self._read_log()
        if free_bytes < FULL_BELOW_BYTES:
            self._cannot_write = True
        if not self._cannot_write:
            return
        now_s = self._clock.monotonic_s()
        if free_bytes < ROOM_BYTES:
            if self._said_s is None or now_s - self._said_s >= SAY_AGAIN_S:
                self._said_s = now_s
                logger.error(
                    "The disk of the broker is full (%.1f MB are free at %s): stations keep what they say "
                    "until there is room",
                    free_bytes / 1e6,
                    self._broker.files.store,
                    extra={"action": "broker_disk_full"},
                )
        elif now_s - self._started_s >= START_AGAIN_AFTER_S:
            logger.warning(
                "The broker could not write, and there is room again: starting it again",
                extra={"action": "broker_disk_has_room"},
            )
            self._said_s = None
            self._broker.start_again()
            self.skip_log()

    def _free_bytes(self) -> int:
        found = os.statvfs(self._broker.files.folder)
        return found.f_bavail * found.f_frsize

    def _read_log(self) -> None:
        log = self._broker.files.log
        size = log.stat().st_size if log.exists() else 0
        if size != self._position:
            said = said_since(log, self._position)
            self._position = size
            self._cannot_write = self._cannot_write or any(words in said for words in _CANNOT_WRITE)
