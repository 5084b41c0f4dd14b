"""Puts the API together: routes, errors, headers, counting, and the feed that runs beside them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from api import docs_page, problems
from api.headers import SecurityHeaders
from api.metrics import CountRequests, Metrics
from api.routes import (
    alerts,
    backtest,
    commands,
    devices,
    doors,
    health,
    history,
    live,
    pages,
    quarantine,
    reports,
    rules,
    sign_in,
    stations,
)
from api.state import ApiState
from domain.errors import StorageUnavailable
from storage import tokens
from web.pages import STATIC

VERSION = "0.1.0"
HOUSEKEEPING_S = 30.0
_ABOUT = (
    "Unattended rest stations: what is open, what is free, what is broken, and opening doors. "
    "Availability is public; everything else needs a token (Authorization: Bearer ws_…), made by "
    "./waystation token create. Errors are application/problem+json with a code and the path of each "
    "mistake. Times are RFC 3339 in UTC."
)

_log = logging.getLogger(__name__)


class Api(FastAPI):
    """Headers go round everything, also round the answer to an error that nobody expected."""

    def build_middleware_stack(self) -> ASGIApp:
        """As FastAPI does it, and one layer more outside."""
        hub: ApiState = self.state.hub
        inside = problems.TooLargeAsProblem(super().build_middleware_stack())
        return SecurityHeaders(inside, clock=hub.clock, secure=hub.options.secure)

    def openapi(self) -> dict[str, Any]:
        """The description, with the shape of problems in it."""
        if not self.openapi_schema:
            schema = super().openapi()
            shapes = schema.setdefault("components", {}).setdefault("schemas", {})
            shapes["ProblemBody"] = problems.ProblemBody.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                shapes.pop(name, None)
        return self.openapi_schema or {}


class _Files(StaticFiles):
    """Files whose address holds their hash may be kept for ever; others must be asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        named = b"v=" in scope.get("query_string", b"")
        answer.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return answer


def create_app(state: ApiState) -> FastAPI:
    """The application; `api.server.serve` runs it."""
    app = Api(
        title="Waystation",
        version=VERSION,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        max_body_size=state.options.max_body_bytes,
        lifespan=_lifespan,
    )
    app.state.hub = state
    app.state.metrics = Metrics(state)
    problems.install(app)
    known = (stations, live, devices, history, alerts, doors, commands, quarantine, health, pages, reports)
    for module in (*known, rules, backtest, sign_in):
        # As they are: `include_router` would make each of them anew for each app, at its first request.
        app.router.routes.extend(module.router.routes)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.add_api_route("/docs/style.css", _docs_style, include_in_schema=False)
    app.mount("/static", _Files(directory=STATIC), "static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(CountRequests, metrics=app.state.metrics, clock=state.clock)
    return app


async def _docs(request: Request) -> HTMLResponse:
    return HTMLResponse(docs_page.render(request.app.openapi(), "/docs/style.css"))


async def _docs_style() -> Response:
    return Response(docs_page.STYLE, media_type="text/css")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ApiState = app.state.hub
    state.bind(asyncio.get_running_loop())
    feed = asyncio.create_task(state.feed.run())
    feed.add_done_callback(state.stopping.failed_by)
    keeper = asyncio.create_task(_keep_house(state))
    try:
        yield
    finally:
        state.stopping.begin()
        for task in (feed, keeper):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _keep_house(state: ApiState) -> None:
    """What can wait: when tokens were last used."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        used = state.take_used()
        if used:
            try:
                await to_thread.run_sync(_note_use, state, used)
            except StorageUnavailable:
                for id_ in used:
                    state.note_use(id_)


def _note_use(state: ApiState, used: set[str]) -> None:
    with state.db.write() as conn:
        tokens.touch(conn, used, state.clock.now_ms())
