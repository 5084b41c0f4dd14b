"""The live feed: one look at the database for all who watch, and bytes that are made once for all of them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from api.areas import is_within
from api.board import Board, Changes, Shown
from api.divisions import County, named
from api.options import ApiOptions
from api.packing import Piece
from api.station_json import alert_json
from api.stopping import Stopping
from api.streams import Reader, event, event_of
from api.times import text_of
from domain.clock import Clock
from domain.errors import StorageUnavailable

LOOKS_LATE_S: Final = 6.0

_log = logging.getLogger(__name__)


class Audience(NamedTuple):
    """Clients that are told the same: stations of `area`; with details and alerts inside `staff`."""

    area: str
    staff: str | None


class TooMany(Exception):
    """No more live clients are taken; ask again later, or poll."""


class Feed:
    """`wake` may be called from any thread; the rest belongs to the event loop."""

    def __init__(
        self,
        board: Board,
        clock: Clock,
        options: ApiOptions,
        counties: Mapping[str, County],
        stopping: Stopping,
    ) -> None:
        self._board = board
        self._clock = clock
        self._options = options
        self._counties = counties
        self._stopping = stopping
        self._readers: dict[Audience, set[Reader]] = {}
        self._addresses: Counter[str] = Counter()
        self._snapshots: dict[Audience, Piece] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, "feed")
        self._complaint: str | None = None

    @property
    def clients(self) -> int:
        """How many watch."""
        return self._addresses.total()

    def wake(self) -> None:
        """There may be something new."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    def fresh(self) -> bool:
        """True when the database was read lately: what is told is what it holds."""
        looked_s = self._board.looked_s
        return looked_s is not None and self._clock.monotonic_s() - looked_s < LOOKS_LATE_S

    def hub(self) -> dict[str, Any]:
        """How the gateway is, as far as this process can know."""
        seen = self._board.hub
        alive = seen.age_ms is not None and seen.age_ms <= self._options.hub_silent_ms
        return {"ok": alive and self.fresh(), "seen": text_of(seen.seen_ms)}

    async def run(self) -> None:
        """Look and tell until the task is cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_for_ever())
                tasks.create_task(self._beat_for_ever())
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self, audience: Audience, address: str) -> tuple[Reader, Any]:
        """A reader that has the snapshot already, and what to call at its end; raises TooMany."""
        options = self._options
        if (
            self.clients >= options.live_clients
            or self._addresses[address] >= options.live_clients_per_address
        ):
            raise TooMany
        reader = Reader(options.live_queue)
        reader.put(*self._snapshot(audience))
        self._readers.setdefault(audience, set()).add(reader)
        self._addresses[address] += 1
        self._stopping.add(reader.close)

        def leave() -> None:
            self._stopping.discard(reader.close)
            self._readers[audience].discard(reader)
            if not self._readers[audience]:
                del self._readers[audience]
                self._snapshots.pop(audience, None)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

        return reader, leave

    async def _look_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            try:
                changes = await loop.run_in_executor(self._pool, self._board.look)
            except StorageUnavailable as error:
                self._complain(f"The live feed cannot read the database: {error}")
            else:
                self._complain(None)
                self._tell(changes)
            # Hints come in bursts: a short rest makes one look of many.
            await asyncio.sleep(self._options.hints_apart_s)
            try:
                async with asyncio.timeout(self._options.poll_s - self._options.hints_apart_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._options.beat_s)
            if self._readers:
                beat = event("beat", {"now": text_of(self._clock.now_ms()), "hub": self.hub()})
                self._put_all(self._readers, beat)

    def _put_all(self, audiences: Iterable[Audience], *message: Piece) -> None:
        for audience in list(audiences):
            for reader in list(self._readers.get(audience, ())):
                reader.put(*message)

    def _tell(self, changes: Changes) -> None:
        if not (changes.stations or changes.alerts or changes.everything):
            return
        self._snapshots.clear()
        for audience in list(self._readers):
            if changes.everything:
                # Another database, or an older copy of it: what they have is worth nothing.
                self._put_all([audience], *self._snapshot(audience))
                continue
            told = self._wanted(audience, sorted(changes.stations))
            if told:
                body = self._head() + b',"stations":[' + self._bodies(audience, told) + b"]}"
                self._put_all([audience], event_of("change", body))
            if audience.staff is not None:
                self._tell_alerts(audience, changes)

    def _tell_alerts(self, audience: Audience, changes: Changes) -> None:
        for alert in changes.alerts:
            shown = self._board.get(alert.device.station)
            division = shown.station.area if shown else alert.adcode
            if is_within(audience.staff or "", division, alert.device.station):
                self._put_all([audience], event("alert", alert_json(alert)))

    def _snapshot(self, audience: Audience) -> tuple[Piece, Piece]:
        cached = self._snapshots.get(audience)
        if cached is None:
            told = self._wanted(audience, self._board.ids)
            codes = sorted({shown.station.area for shown in told})
            counties = [named(self._counties, code)._asdict() for code in codes]
            text = json.dumps(counties, ensure_ascii=False, separators=(",", ":"))
            body = b',"counties":' + text.encode() + b',"stations":[' + self._bodies(audience, told) + b"]}"
            cached = self._snapshots[audience] = Piece(body + b"\n\n")
        return Piece(b"event: snapshot\ndata: " + self._head()), cached

    def _head(self) -> bytes:
        head = {"now": text_of(self._clock.now_ms()), "version": self._board.version, "hub": self.hub()}
        return json.dumps(head, separators=(",", ":")).encode()[:-1]

    def _wanted(self, audience: Audience, ids: Iterable[str]) -> list[Shown]:
        known = self._board.stations
        found = [known[id_] for id_ in ids if id_ in known]
        return [one for one in found if is_within(audience.area, one.station.area, one.station.id)]

    def _bodies(self, audience: Audience, told: Iterable[Shown]) -> bytes:
        staff = audience.staff
        if staff is None:
            return b",".join([shown.public for shown in told])
        return b",".join(
            [
                shown.staff if is_within(staff, shown.station.area, shown.station.id) else shown.public
                for shown in told
            ]
        )

    def _complain(self, said: str | None) -> None:
        if said == self._complaint:
            return
        if said is not None and self._complaint is None:
            _log.warning(said, extra={"action": "feed.database"})
        elif said is None:
            _log.info("The live feed reads the database again.", extra={"action": "feed.database"})
        self._complaint = said
