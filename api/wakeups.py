"""Streams that wait for news of one command, and the hints that wake them."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Wakeups:
    """`wake` may be called from any thread; the rest belongs to the event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the streams live in."""
        self._loop = loop

    def wake(self, command_id: str) -> None:
        """There may be news of this command."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set, command_id)

    async def wait(self, command_id: str, within_s: float) -> None:
        """Return when there may be news, at the latest after `within_s`."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(command_id, set())
        waiting.add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await event.wait()
        finally:
            waiting.discard(event)
            if not waiting:
                self._waiting.pop(command_id, None)

    def _set(self, command_id: str) -> None:
        for event in self._waiting.get(command_id, ()):
            event.set()
