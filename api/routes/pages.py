"""The pages: overview and door. They work without script, too."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from api.areas import is_within
from api.caller import Anyone, AnyoneByForm, Caller, check_form
from api.divisions import named
from api.problems import declared
from api.routes.commands import read_command
from api.routes.doors import DoorCode, door_json, tap
from api.routes.stations import body
from api.state import ApiState, Hub
from api.unlocking import OPEN_S, Refused, Taken
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
    # What the lock has taken it may have done, also when its word got lost.
    lost = row.state in ("expired", "no_answer") and any(step.state == "accepted" for step in steps)
    return {
        "state": "unsure" if lost or not over else row.state,
        "at_ms": moved,
        "took_s": None if moved is None else max(0, moved - row.requested_ms) / 1000,
    }
