"""What an edge box says of its own connection, and when it has to say it again."""

from __future__ import annotations

import json
import math
from typing import Any

from domain.envelope import VERSION

AGAIN_S = 2.0
AGAIN_LONGEST_S = 60.0
NEWS_S = 60.0
"""How soon a new count of dropped messages is told after the last word."""


class LinkWord:
    """The link message of one boot: outside `seq`, sent again until an ack echoes its `conn`."""

    def __init__(self, boot: str, versions: dict[str, str]) -> None:
        self.conn = 0
        self.dropped = 0
        self.versions = versions
        self.due_s = math.inf
        self._boot = boot
        self._wait_s = AGAIN_S
        self._said_s = -math.inf
        self._acked = False

    def connected(self, conn: int, monotonic_s: float) -> None:
        """A new connection: to be said at once."""
        self.conn, self.due_s, self._wait_s, self._acked = conn, monotonic_s, AGAIN_S, False

    def acked(self, conn: object) -> None:
        """An ack echoes a `conn`."""
        if conn == self.conn and not self._acked:
            self._acked, self.due_s = True, math.inf

    def news(self, monotonic_s: float) -> None:
        """What the link tells has changed: say it once more, soon."""
        self.due_s = min(self.due_s, max(monotonic_s, self._said_s + AGAIN_S))

    def drop(self) -> None:
        """One more message was given up."""
        self.dropped += 1
        if self._acked:
            self.due_s = min(self.due_s, self._said_s + NEWS_S)

    def say(self, monotonic_s: float, ts_ms: int | None) -> bytes:
        """The message, noted as said."""
        self._said_s = monotonic_s
        self.due_s = math.inf if self._acked else monotonic_s + self._wait_s
        self._wait_s = min(AGAIN_LONGEST_S, self._wait_s * 2)
        return self._payload(
            self.conn, ts_ms, {"online": True, "versions": self.versions, "dropped": self.dropped}
        )

    def will(self, conn: int) -> bytes:
        """What the broker says when connection `conn` breaks; without a time, since that is later."""
        return self._payload(conn, None, {"online": False})

    def _payload(self, conn: int, ts_ms: int | None, more: dict[str, Any]) -> bytes:
        body = {"v": VERSION, "ts": ts_ms, "boot": self._boot, "conn": conn, **more}
        return json.dumps(body, separators=(",", ":")).encode()
