"""Server-sent events: a bounded queue for each reader, and a deadline for each write."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.packing import Gzip, Piece, Plain

MEDIA_TYPE: Final = "text/event-stream"
PIECE: Final = 32 * 1024
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"vary", b"Accept-Encoding"),
]
RESYNC: Final = Piece(b"event: resync\ndata: {}\n\n")


def event(name: str, data: object) -> Piece:
    """One event with JSON data."""
    return event_of(name, json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def event_of(name: str, data: bytes) -> Piece:
    """One event with data that is JSON on one line already."""
    return Piece(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")


class Reader:
    """What is on its way to one client. All methods belong to the event loop's thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: deque[tuple[Piece, ...]] = deque()
        self._ready = asyncio.Event()
        self.closed = False

    def put(self, *message: Piece) -> None:
        """Queue a message in its pieces; a reader too far behind is told to begin anew, and no more."""
        if self.closed:
            return
        if len(self._queue) >= self._most:
            self._queue.clear()
            self._queue.append((RESYNC,))
            self.closed = True
        else:
            self._queue.append(message)
        self._ready.set()

    def close(self) -> None:
        """End after what is queued."""
        self.closed = True
        self._ready.set()

    async def take(self) -> list[Piece]:
        """Everything queued, at least one message; nothing at the end."""
        while not self._queue and not self.closed:
            self._ready.clear()
            await self._ready.wait()
        taken = [piece for message in self._queue for piece in message]
        self._queue.clear()
        return taken


class EventStream(Response):
    """Sends what its reader is given until it is closed, the client leaves, or a write takes too long."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        reader: Reader,
        on_end: Callable[[], None],
        *,
        write_within_s: float,
        first_within_s: float | None = None,
        gzip: bool = False,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._on_end = on_end
        self._write_within_s = write_within_s
        self._within_s = first_within_s or write_within_s
        self._form: Plain | Gzip = Gzip() if gzip else Plain()
        if gzip:
            self.headers["content-encoding"] = "gzip"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(self._watch(receive))
        try:
            extra = [pair for pair in self.raw_headers if pair[0] not in (b"content-length", b"content-type")]
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *extra]})
            while pieces := await self._reader.take():
                await self._write(send, self._form.add(pieces))
            await self._write(send, self._form.end(), last=True)
        except TimeoutError:
            # Closing would wait for a reader that does not read.
            abort = scope.get("state", {}).get("abort")
            if abort is not None:
                abort()
        finally:
            watcher.cancel()
            self._on_end()

    async def _write(self, send: Send, data: bytes, *, last: bool = False) -> None:
        for at in range(0, max(len(data), 1), PIECE):
            piece = data[at : at + PIECE]
            async with asyncio.timeout(self._within_s):
                await send({"type": "http.response.body", "body": piece, "more_body": not last})
        self._within_s = self._write_within_s

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._reader.close()


def documented(description: str, *events: str) -> dict[int | str, dict[str, Any]]:
    """What a route that answers with a stream adds to its `responses`."""
    told = f"{description} Events: {', '.join(events)}."
    return {200: {"description": told, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
