"""The pages: overview, door, signing in and out. They work without script, too."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.areas import is_within
from api.caller import Anyone, AnyoneByForm, Caller, check_form, cookie_name
from api.divisions import named
from api.problems import Problem, declared
from api.routes.commands import read_command
from api.routes.doors import DoorCode, door_json, tap
from api.routes.stations import body
from api.state import ApiState, Hub
from api.unlocking import OPEN_S, Refused, Taken
from storage import audit, tokens
from web import pages

router = APIRouter(tags=["pages"], include_in_schema=False)

FORM_WAITS_S = 13.0


@router.get("/")
def overview(
    hub: Hub,
    caller: Anyone,
    plain: bool = False,
    area: Annotated[str, Query(pattern=r"^[0-9]{0,6}$")] = "",
    lang: Annotated[Literal["zh", "en"], Query()] = "zh",
) -> Response:
    """The live overview, or the same as one table."""
    if not plain:
        return HTMLResponse(pages.overview_page())
    known = hub.board.stations
    shown = [
        known[id_] for id_ in hub.board.ids if id_ in known and is_within(area, known[id_].station.area, id_)
    ]
    stations = [json.loads(body(one, caller)) for one in shown]
    counties = [named(hub.counties, code)._asdict() for code in sorted({one.station.area for one in shown})]
    return HTMLResponse(pages.plain_page(stations, counties, now_ms=hub.clock.now_ms(), lang=lang))


@router.get("/d/{door_code}", responses=declared(404))
def door(hub: Hub, caller: Anyone, door_code: DoorCode) -> Response:
    """The page behind the code on a door."""
    return _door_page(hub, caller, door_code)


@router.post("/d/{door_code}", responses=declared(403, 404))
async def door_without_script(
    request: Request,
    hub: Hub,
    caller: AnyoneByForm,
    door_code: DoorCode,
    csrf: Annotated[str, Form(max_length=200)] = "",
    key: Annotated[str, Form(pattern=r"^[\x21-\x7e]{8,128}$")] = "",
) -> Response:
    """The button as a form: waits for what becomes of it and answers with a page."""
    if caller is None:
        verdict: dict[str, Any] = {"state": "not_signed_in"}
    else:
        check_form(caller, csrf)
        answer = await tap(request, hub, caller, door_code, key or None)
        verdict = _refusal(answer) if isinstance(answer, Refused) else await _outcome(hub, answer)
    return await to_thread.run_sync(_door_page, hub, caller, door_code, verdict)


@router.get("/sign-in", responses=declared(429))
def sign_in(
    request: Request,
    hub: Hub,
    t: Annotated[str, Query(max_length=200)] = "",
    next_: Annotated[str, Query(alias="next", max_length=200)] = "/",
) -> Response:
    """Use a one-time link up: the browser gets a session with the rights of the link's token."""
    wait_s = hub.sign_ins.wait_s(request.client.host if request.client else "")
    if wait_s:
        raise Problem(
            429,
            "too_fast",
            "Too many sign-ins from here; wait a little. 登录太频繁，请稍后再试。",
            headers={"Retry-After": str(round(wait_s) + 1)},
        )
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        token = tokens.use_sign_in(conn, t, now_ms)
        actor, target = (token.id, f"token:{token.id}") if token else ("nobody", "link")
        audit.note(conn, now_ms, actor, "sign_in", target, "ok" if token else "refused")
    if token is None:
        return HTMLResponse(_LINK_IS_OVER, 403)
    life_s = hub.options.session_s
    if token.expires_ms is not None:
        life_s = min(life_s, (token.expires_ms - now_ms) // 1000)
    answer = RedirectResponse(_local(next_), 303)
    answer.set_cookie(
        cookie_name(hub),
        hub.sessions.make(token.id, now_ms // 1000, life_s),
        max_age=life_s,
        path="/",
        secure=hub.options.secure,
        httponly=True,
        samesite="strict",
    )
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


def _door_page(
    hub: ApiState, caller: Caller | None, door_code: str, verdict: dict[str, Any] | None = None
) -> Response:
    door = json.loads(door_json(hub, caller, door_code))
    page = pages.door_page(
        door,
        now_ms=hub.clock.now_ms(),
        signed_in=caller is not None,
        csrf=(caller.csrf or "") if caller else "",
        key=secrets.token_hex(16),
        verdict=verdict,
        phone=door["station"]["phone"],
        relock_s=OPEN_S,
    )
    return HTMLResponse(page)


def _refusal(answer: Refused) -> dict[str, Any]:
    words = answer.words
    return {
        "state": answer.code if answer.code in ("lock_offline", "hub_down", "too_fast") else "denied",
        "title": words["title_zh"],
        "line2": words["line2_zh"],
        "title_en": words["title_en"],
        "line2_en": words["line2_en"],
        "nearby": answer.nearby,
    }


async def _outcome(hub: ApiState, answer: Taken) -> dict[str, Any]:
    until_s = hub.clock.monotonic_s() + FORM_WAITS_S
    while True:
        row, steps = await to_thread.run_sync(
            read_command, hub, answer.command_id, limiter=hub.unlock_threads
        )
        over = row.final or row.state == "done"
        if over or hub.stopping.begun or hub.clock.monotonic_s() > until_s:
            break
        await hub.wakeups.wait(row.id, 0.1)
    moved = next((step.at_ms for step in steps if step.state in ("done", "opened")), None)
    return {
        "state": row.state if over else "unsure",
        "at_ms": moved,
        "took_s": None if moved is None else max(0, moved - row.requested_ms) / 1000,
    }


def _local(path: str) -> str:
    """A place within these pages: anything else could lead people away after they signed in."""
    plain = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if plain and "\\" not in path else "/"


_LINK_IS_OVER = (
    '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>登录链接已失效</title>'
    f'<link rel="stylesheet" href="{pages.asset("tokens.css")}"></head><body><main>'
    "<h1>登录链接已失效</h1><p>每条链接只能用一次，15 分钟内有效。请重新要一条。</p>"
    '<p lang="en">This sign-in link is over: each works once, within 15 minutes. Ask for a new one.</p>'
    '<p><a href="/">回到首页 / Home</a></p></main></body></html>'
)
