"""Signing browsers in by a one-time link, and out again."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.caller import Anyone, cookie_name
from api.problems import Problem, declared
from api.sessions import same_word
from api.state import ApiState, Hub
from storage import audit, tokens
from web import pages

router = APIRouter(tags=["pages"], include_in_schema=False)

COOKIE: Final = "ws_sign_in"
WORD_LIVES_S: Final = 3600
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{24}")


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    hub: Hub,
    t: Annotated[str, Query(max_length=200)] = "",
    next_: Annotated[str, Query(alias="next", max_length=200)] = "/",
) -> Response:
    """One button. Looking uses nothing up: chat programs look at every link that is sent through them."""
    if not t:
        return HTMLResponse(pages.sign_in_page(), 403)
    # A word that is there already stays, so that two links opened side by side both work.
    known = request.cookies.get(_word_cookie(hub), "")
    word = known if _WORD.fullmatch(known) else secrets.token_urlsafe(18)
    answer = HTMLResponse(pages.sign_in_page(t=t, next_=_local(next_), word=word))
    _set(answer, hub, _word_cookie(hub), word, WORD_LIVES_S)
    return answer


@router.post("/sign-in", responses=declared(403, 429))
def sign_in(
    request: Request,
    hub: Hub,
    t: Annotated[str, Form(max_length=200)] = "",
    next_: Annotated[str, Form(alias="next", max_length=200)] = "/",
    word: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Use the link up: the browser gets a session with the rights of the link's token."""
    wait_s = hub.sign_ins.wait_s(request.client.host if request.client else "")
    if wait_s:
        raise Problem(
            429,
            "too_fast",
            "Too many sign-ins from here; wait a little. 登录太频繁，请稍后再试。",
            headers={"Retry-After": str(round(wait_s) + 1)},
        )
    # A page of somebody else could sign people in under its own name: it cannot know this browser's word.
    known = request.cookies.get(_word_cookie(hub), "")
    if not known or not same_word(word, known):
        raise Problem(
            403, "form_stale", "This page is too old, open the link again. 页面已过期，请重新打开链接。"
        )
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        token = tokens.use_sign_in(conn, t, now_ms)
        actor, target = (token.id, f"token:{token.id}") if token else ("nobody", "link")
        audit.note(conn, now_ms, actor, "sign_in", target, "ok" if token else "refused")
    if token is None:
        return HTMLResponse(pages.sign_in_page(), 403)
    life_s = hub.options.session_s
    if token.expires_ms is not None:
        life_s = min(life_s, (token.expires_ms - now_ms) // 1000)
    answer = RedirectResponse(_local(next_), 303)
    _set(answer, hub, cookie_name(hub), hub.sessions.make(token.id, now_ms // 1000, life_s), life_s)
    return answer


@router.post("/sign-out", status_code=204, responses=declared(403))
def sign_out(hub: Hub, caller: Anyone) -> Response:
    """Forget the session in this browser."""
    if caller is not None:
        now_ms = hub.clock.now_ms()
        with hub.db.write() as conn:
            audit.note(conn, now_ms, caller.actor, "sign_out", f"token:{caller.actor}", "ok")
    answer = Response(status_code=204)
    answer.delete_cookie(
        cookie_name(hub), path="/", secure=hub.options.secure, httponly=True, samesite="strict"
    )
    return answer


def _word_cookie(hub: ApiState) -> str:
    return f"__Host-{COOKIE}" if hub.options.secure else COOKIE


def _set(answer: Response, hub: ApiState, name: str, value: str, life_s: int) -> None:
    answer.set_cookie(
        name, value, max_age=life_s, path="/", secure=hub.options.secure, httponly=True, samesite="strict"
    )


def _local(path: str) -> str:
    """A place within these pages: anything else could lead people away after they signed in."""
    plain = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if plain and "\\" not in path else "/"
