"""All that a request may need, handed in once by the composition root."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from anyio import CapacityLimiter
from fastapi import Depends, Request

from api.board import Board
from api.divisions import County
from api.feed import Feed
from api.limits import RateLimit
from api.options import ApiOptions
from api.sessions import SessionKeys
from api.stopping import Stopping
from api.wakeups import Wakeups
from domain import topics
from domain.clock import Clock
from rules.station_view import Timetables
from storage.database import Database
from storage.influx_at import InfluxAt
from storage.series import Series

_log = logging.getLogger(__name__)


class Hints(Protocol):
    """Where hints go out; what comes in is given to `ApiState.on_hint`."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Now or never: False when nobody can be reached."""
        ...


@dataclass(slots=True, kw_only=True)
class ApiState:
    """`clock` and `db` must be those of this machine and this hub; everything else has a plain default."""

    db: Database
    hints: Hints
    clock: Clock
    options: ApiOptions
    sessions: SessionKeys
    series: Series
    board: Board
    timetables: Timetables
    counties: Mapping[str, County]
    influx_at: InfluxAt | None = None
    """Where readings are that a back-test must fetch itself; None: in the tables."""
    stopping: Stopping = field(default_factory=Stopping)
    feed: Feed = field(init=False)
    wakeups: Wakeups = field(init=False)
    sign_ins: RateLimit = field(init=False)
    unlocks: RateLimit = field(init=False)
    sign_in_threads: CapacityLimiter = field(init=False)
    unlock_threads: CapacityLimiter = field(init=False)
    _used: set[str] = field(default_factory=set)
    _used_lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        options = self.options
        self.feed = Feed(self.board, self.clock, options, self.counties, self.stopping)
        self.wakeups = Wakeups()
        # Doors have threads of their own: a flood of readers must not stand before them.
        self.sign_in_threads = CapacityLimiter(8)
        self.unlock_threads = CapacityLimiter(8)
        self.sign_ins = RateLimit(self.clock, per_minute=options.sign_ins_per_minute)
        self.unlocks = RateLimit(self.clock, per_minute=options.unlocks_per_minute, burst=8)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which event loop this process serves in."""
        self.stopping.bind(loop)
        self.wakeups.bind(loop)

    def on_hint(self, topic: str, payload: bytes) -> None:
        """Take a hint from the bus; from any thread. A hint that makes no sense is a reason to look."""
        self.feed.wake()
        try:
            body = json.loads(payload)
            command = body.get("command") if isinstance(body, dict) else None
        except ValueError:
            return
        if isinstance(command, str):
            self.wakeups.wake(command)

    def tell_gateway(self, adcode: str, body: Mapping[str, str]) -> None:
        """Say that a row waits. Without the bus the gateway finds it when it looks by itself."""
        if not self.hints.publish(topics.command_hint(adcode), json.dumps(body).encode()):
            _log.debug("A hint could not be sent; the gateway looks by itself.", extra={"action": "api.hint"})

    def note_use(self, token_id: str) -> None:
        """Remember that a token was used; written down later, many at once."""
        with self._used_lock:
            self._used.add(token_id)

    def take_used(self) -> set[str]:
        """The tokens used since the last call."""
        with self._used_lock:
            used, self._used = self._used, set()
        return used


async def _hub(request: Request) -> ApiState:
    state: ApiState = request.app.state.hub
    return state


Hub = Annotated[ApiState, Depends(_hub)]
