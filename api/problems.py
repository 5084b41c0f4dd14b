"""Every error answer: problem+json with a reason code, a sentence, and the path of what was wrong.

A browser that asked for a page gets one, with the same in words for people at a door."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from domain.errors import Conflict, NotFound, StorageUnavailable
from web import pages

MEDIA_TYPE = "application/problem+json"
_FOR_PROGRAMS = ("/api/", "/openapi.json", "/healthz", "/readyz", "/metrics")
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_log = logging.getLogger(__name__)


class Mistake(TypedDict):
    """One thing that is wrong: where, and what."""

    path: str
    detail: str


class ProblemBody(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "code": "not_found",
                "detail": "There is no station 331002-9999.",
                "errors": [],
            }
        },
    )

    type: str = Field(description="always about:blank; `code` tells problems apart")
    title: str = Field(description="the status in words")
    status: int
    code: str = Field(description="a short word that programs can compare")
    detail: str = Field(description="a sentence for people: what was wrong, and what to do")
    errors: list[dict[str, str]] = Field(default_factory=list, description="path and detail of each mistake")


class Problem(Exception):
    """Raise it anywhere below a route; `more` is added to the body as it is."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mistake] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self) -> Response:
        """The answer in bytes."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": self.errors,
            **self.more,
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return Response(text, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found(what: str) -> Problem:
    """404: there is no such thing, or it is not yours to see; the two look the same."""
    return Problem(404, "not_found", f"There is no {what} here.")


def bad_field(path: str, detail: str) -> Problem:
    """422 for one field; `path` such as `query.cursor`."""
    return Problem(422, "invalid", f"{path}: {detail}", errors=[Mistake(path=path, detail=detail)])


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route adds to its `responses`, so that the OpenAPI document tells the truth."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)
    }


def install(app: FastAPI) -> None:
    """Make every error of this application a problem."""
    handlers: dict[type[Exception], ExceptionHandler] = {
        Problem: _problem,
        RequestValidationError: _invalid,
        HTTPException: _http,
        NotFound: _not_found,
        Conflict: _conflict,
        StorageUnavailable: _unavailable,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


class TooLargeAsProblem:
    """The framework refuses a large body in plain text, before any handler is asked; this words it anew."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        problem = Problem(413, "content_too_large", _SENTENCES[413], headers={"Connection": "close"})
        self._answer = problem.response()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer
        replaced = False

        async def reworded(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413:
                replaced = True
                message = {**message, "headers": answer.raw_headers}
            elif replaced and message["type"] == "http.response.body":
                message = {"type": "http.response.body", "body": bytes(answer.body)}
            await send(message)

        await self._app(scope, receive, reworded)


def _answer(request: Request, problem: Problem) -> Response:
    path = request.url.path
    if path.startswith(_FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
        return problem.response()
    page = pages.problem_page(problem.status, at_door=path.startswith("/d/"))
    return HTMLResponse(page, problem.status, headers=problem.headers)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = [Mistake(path=_path(one["loc"]), detail=str(one["msg"])[:200]) for one in error.errors()[:20]]
    first = mistakes[0] if mistakes else Mistake(path="body", detail="cannot be read")
    problem = Problem(422, "invalid", f"{first['path']}: {first['detail']}", errors=mistakes)
    return _answer(request, problem)


def _path(location: Sequence[int | str]) -> str:
    steps = [str(step) for step in location]
    return ".".join(steps if steps and steps[0] in _PLACES else ["body", *steps])[:200]


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    detail = (
        error.detail if error.detail and error.detail != phrase else _SENTENCES.get(error.status_code, phrase)
    )
    return _answer(request, Problem(error.status_code, code, detail, headers=error.headers))


_SENTENCES = {
    404: "There is no such address; /docs lists those that there are.",
    405: "This address does not take that method; /docs says which it takes.",
    413: "The body is larger than this hub takes.",
}


def _not_found(request: Request, error: Exception) -> Response:
    return _answer(request, Problem(404, "not_found", str(error)))


def _conflict(request: Request, error: Exception) -> Response:
    return _answer(request, Problem(409, "conflict", str(error)))


def _unavailable(request: Request, error: Exception) -> Response:
    _log.warning(
        "The database did not answer a request (%s).", type(error).__name__, extra={"action": "api.database"}
    )
    problem = Problem(
        503,
        "database_unavailable",
        "The database does not answer at the moment; try again in a few seconds.",
        headers={"Retry-After": "3"},
    )
    return _answer(request, problem)


def _unexpected(request: Request, error: Exception) -> Response:
    # The server's own log has the traceback; a stranger learns nothing from it.
    problem = Problem(500, "internal", "Something went wrong in the hub; it has been logged.")
    return _answer(request, problem)
