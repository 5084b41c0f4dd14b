"""The one event that ends every open stream when the process is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Stopping:
    """`begin` may be called from any thread and from a signal handler; the rest belongs to the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: set[Callable[[], None]] = set()
        self.begun = False
        self.failure: BaseException | None = None
        """What this process cannot go on without; it must end and be started again."""

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the streams live in."""
        self._loop = loop
        if self.begun:
            self._end_all()

    def begin(self) -> None:
        """End every stream that is open, and every one that will be opened."""
        self.begun = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_all)

    def failed_by(self, task: asyncio.Task[None]) -> None:
        """For a task that must never end: when it does, so does the process."""
        if not task.cancelled() and not self.begun:
            self.failure = task.exception() or RuntimeError("a task that must not end has ended")
            self.begin()

    def add(self, end: Callable[[], None]) -> None:
        """Have `end` called when the time has come; at once if it has."""
        self._ends.add(end)
        if self.begun:
            end()

    def discard(self, end: Callable[[], None]) -> None:
        """It ended by itself."""
        self._ends.discard(end)

    def _end_all(self) -> None:
        for end in list(self._ends):
            end()
