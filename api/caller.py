"""Who asks, and what that one may do and see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from api.areas import is_within
from api.problems import Problem
from api.sessions import same_word
from api.state import ApiState, Hub
from storage import tokens
from storage.stations import Station
from storage.tokens import TokenRow

COOKIE = "ws_session"
CSRF_HEADER = "X-Waystation"
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: ws_…")
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description=f"Set by a sign-in link. Anything but reading also needs the header {CSRF_HEADER}: 1.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A usable token, and whether it came as itself or as a browser's session."""

    token: TokenRow
    how: Literal["token", "link"]
    csrf: str | None = None

    @property
    def actor(self) -> str:
        """The name by which what it does is written down."""
        return self.token.id

    @property
    def area(self) -> str:
        """The area that it may see."""
        return self.token.area

    def may(self, scope: str) -> bool:
        """True when the token has this scope."""
        return scope in self.token.scopes

    def sees(self, station: Station) -> bool:
        """True when the station lies in the token's area."""
        return is_within(self.area, station.area, station.id)


def cookie_name(state: ApiState) -> str:
    """With https the browser itself guards that nobody but this host sets the cookie."""
    return f"__Host-{COOKIE}" if state.options.secure else COOKIE


def find_caller(state: ApiState, *, bearer: str | None, cookie: str | None) -> Caller | None:
    """Who this is; None for nobody. Raises a Problem for a token that is not (or no longer) one."""
    now_ms = state.clock.now_ms()
    if bearer is not None:
        with state.db.read() as conn:
            row = tokens.by_secret(conn, bearer, now_ms)
        if row is None:
            raise Problem(
                401,
                "token_unknown",
                "This token is unknown, expired or revoked; ask for a new one.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        state.note_use(row.id)
        return Caller(row, "token")
    session = state.sessions.read(cookie, now_ms // 1000) if cookie else None
    if session is None:
        return None
    with state.db.read() as conn:
        row = tokens.by_id(conn, session.token_id)
    if row is None or not row.usable(now_ms):
        return None
    state.note_use(row.id)
    return Caller(row, "link", session.csrf)


async def anyone(
    request: Request,
    state: Hub,
    header: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    _documented: Annotated[str | None, Security(_cookie)] = None,
) -> Caller | None:
    """Who asks, or None: for answers that everyone gets, and that hold more for some."""
    cookie = request.cookies.get(cookie_name(state))
    caller = await _find(state, header.credentials if header else None, cookie)
    if caller is not None and caller.how == "link" and request.method not in _HARMLESS:
        _refuse_foreign_pages(request)
    return caller


async def anyone_by_form(request: Request, state: Hub) -> Caller | None:
    """Who posts a form; whoever takes it must call `check_form`."""
    return await _find(state, None, request.cookies.get(cookie_name(state)))


async def _find(state: ApiState, bearer: str | None, cookie: str | None) -> Caller | None:
    if bearer is None and cookie is None:
        return None
    look = partial(find_caller, state, bearer=bearer, cookie=cookie)
    return await to_thread.run_sync(look, limiter=state.sign_in_threads)


def _refuse_foreign_pages(request: Request) -> None:
    # A page of somebody else can make a browser send the cookie, but not this header.
    if request.headers.get(CSRF_HEADER) != "1":
        raise Problem(403, "header_missing", f"With a session cookie this needs the header {CSRF_HEADER}: 1.")


def check_form(caller: Caller, csrf: str) -> None:
    """For forms, which cannot send a header: they carry the session's own word instead."""
    if caller.csrf is None or not same_word(csrf, caller.csrf):
        raise Problem(403, "form_stale", "This page is too old, load it again. 页面已过期，请刷新后再试。")


class Needs:
    """A dependency that answers 401 to nobody and 403 to a token without the scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, caller: Annotated[Caller | None, Depends(anyone)]) -> Caller:
        if caller is None:
            raise Problem(
                401,
                "not_signed_in",
                "This needs a token (Authorization: Bearer ws_…) or a signed-in browser.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not caller.may(self.scope):
            raise Problem(403, "scope_missing", f"This token has no scope {self.scope}.")
        return caller


FOR_ALL: Final[dict[str, Any]] = {"security": [{}]}
"""`openapi_extra` of a route that answers everyone, and tells some of them more."""

Anyone = Annotated[Caller | None, Depends(anyone)]
AnyoneByForm = Annotated[Caller | None, Depends(anyone_by_form)]


def needs(scope: str) -> Any:
    """`Annotated[Caller, needs("alerts:read")]` in a route's arguments."""
    return Depends(Needs(scope))
