"""A stand-in for the API: the real pages and files, and answers that a test scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.waiting import eventually
from tests.web import samples
from web import pages

Step = tuple[float, str]
"""Seconds after the request, state of the command."""


def _sse(event: str, data: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


@dataclass
class StandIn:
    """What the stand-in answers; set it from the test, read what the page asked."""

    url: str = ""
    snapshot: dict[str, Any] = field(default_factory=samples.snapshot)
    feed_up: bool = True
    signed_in: bool = True
    lock: str = "online"
    nearby: dict[str, Any] | None = None
    station: dict[str, Any] = field(default_factory=samples.station)
    steps: list[Step] = field(default_factory=list)
    refusal: tuple[int, dict[str, Any]] | None = None
    stream_up: bool = True
    unlock_s: float = 0.0
    unlocks: list[dict[str, str]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    verdict: dict[str, Any] = field(default_factory=lambda: {"state": "done", "took_s": 1.3})
    polls: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _listeners: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    _began: float = 0.0

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Send one event to every page that listens."""
        self._to_all(_sse(event, data))

    def change(self, *stations: dict[str, Any]) -> None:
        self.send("change", {"now": samples.at(0), "version": 2, "stations": list(stations)})

    def cut(self) -> None:
        """Close every live stream."""
        self._to_all(None)

    @property
    def listening(self) -> int:
        return len(self._listeners)

    def _to_all(self, chunk: bytes | None) -> None:
        assert self._loop is not None
        for listener in list(self._listeners):
            self._loop.call_soon_threadsafe(listener.put_nowait, chunk)

    # --- endpoints ---

    async def overview(self, request: Request) -> Response:
        if request.query_params.get("plain"):
            shown = self.snapshot
            english = request.query_params.get("lang") == "en"
            return HTMLResponse(
                pages.plain_page(
                    shown["stations"],
                    shown["counties"],
                    now_ms=samples.now_ms(),
                    lang="en" if english else "zh",
                )
            )
        return HTMLResponse(pages.overview_page())

    async def live(self, request: Request) -> Response:
        if not self.feed_up:
            return Response(status_code=503)
        self._loop = asyncio.get_running_loop()
        listener: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def events() -> AsyncIterator[bytes]:
            self._listeners.append(listener)
            try:
                yield _sse("snapshot", {**self.snapshot, "now": samples.at(0)})
                while (chunk := await listener.get()) is not None:
                    yield chunk
            finally:
                self._listeners.remove(listener)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def one_station(self, request: Request) -> Response:
        found = [s for s in self.snapshot["stations"] if s["id"] == request.path_params["id"]]
        return JSONResponse(found[0]) if found else Response(status_code=404)

    def _door(self) -> dict[str, Any]:
        return {
            "door": "K7Q2",
            "station": self.station,
            "label": "正门",
            "lock": self.lock,
            "nearby": self.nearby,
        }

    async def door(self, request: Request) -> Response:
        now_ms = samples.now_ms()
        if request.method == "POST":
            self.forms.append({name: str(value) for name, value in (await request.form()).items()})
            verdict = {**self.verdict, "at_ms": now_ms}
            return HTMLResponse(
                pages.door_page(
                    self._door(), now_ms=now_ms, signed_in=True, csrf="c-1", key="k-2", verdict=verdict
                )
            )
        at_ms = int(request.query_params.get("at_ms", now_ms))
        return HTMLResponse(
            pages.door_page(self._door(), now_ms=at_ms, signed_in=self.signed_in, csrf="c-1", key="k-1")
        )

    async def unlock(self, request: Request) -> Response:
        self.unlocks.append(dict(request.headers))
        await asyncio.sleep(self.unlock_s)
        if self.refusal is not None:
            status, problem = self.refusal
            return JSONResponse(problem, status, media_type="application/problem+json")
        self._began = asyncio.get_running_loop().time()
        return JSONResponse(
            {"command": "c1", "state": "created", "stream": "/api/v1/commands/c1/stream"}, 202
        )

    @staticmethod
    def _step(step: Step) -> dict[str, Any]:
        return {"state": step[1], "at": samples.at(0), "after_s": step[0]}

    @staticmethod
    def _final(state: str) -> bool:
        return state in ("opened", "unused", "rejected", "no_answer", "expired", "failed")

    async def stream(self, request: Request) -> Response:
        if not self.stream_up:
            return Response(status_code=502)

        async def events() -> AsyncIterator[bytes]:
            for step in list(self.steps):
                await asyncio.sleep(max(0.0, self._began + step[0] - asyncio.get_running_loop().time()))
                yield _sse("step", self._step(step))

        return StreamingResponse(events(), media_type="text/event-stream")

    async def command(self, request: Request) -> Response:
        self.polls += 1
        passed = [s for s in self.steps if self._began + s[0] <= asyncio.get_running_loop().time()]
        state = passed[-1][1] if passed else "created"
        return JSONResponse(
            {"id": "c1", "state": state, "reason": None, "steps": [self._step(s) for s in passed],
             "final": self._final(state)}
        )  # fmt: skip


class _Headers(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = pages.CONTENT_SECURITY_POLICY
        response.headers["Cache-Control"] = "no-store"
        return response


@contextlib.contextmanager
def running() -> Iterator[StandIn]:
    """A stand-in that serves on a free port until the block ends."""
    hub = StandIn()
    routes = [
        Route("/", hub.overview),
        Route("/api/v1/live", hub.live),
        Route("/api/v1/stations/{id}", hub.one_station),
        Route("/d/{code}", hub.door, methods=["GET", "POST"]),
        Route("/api/v1/doors/{code}/unlock", hub.unlock, methods=["POST"]),
        Route("/api/v1/commands/{id}/stream", hub.stream),
        Route("/api/v1/commands/{id}", hub.command),
        Mount("/static", StaticFiles(directory=pages.STATIC)),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(_Headers)])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    hub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield hub
    finally:
        if hub._loop is not None:
            hub.cut()
        server.should_exit = True
        thread.join(10)
