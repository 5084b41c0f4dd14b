"""Doors: what everyone may know of one, and the tap on 'open'."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Request, Response

from api import door_shapes
from api.caller import FOR_ALL, Anyone, Caller
from api.lock import link_of
from api.nearby import nearby, nearby_json
from api.problems import Problem, declared, not_found
from api.routes.stations import body
from api.state import ApiState, Hub
from api.unlocking import Refused, Taken, unlock
from domain.errors import NotFound
from storage import registry
from storage.registry import Device

router = APIRouter(prefix="/api/v1", tags=["doors"])
DoorCode = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{8,128}$",
        description="new for each tap; the same key gets the same answer and moves nothing again",
    ),
]


@router.get(
    "/doors/{door_code}",
    response_model=door_shapes.Door,
    responses=declared(401, 404, 422, 503),
    openapi_extra=FOR_ALL,
)
def get_door(hub: Hub, caller: Anyone, door_code: DoorCode) -> Response:
    """What the page behind the code on the door shows."""
    return Response(door_json(hub, caller, door_code), media_type="application/json")


def door_json(hub: ApiState, caller: Caller | None, door_code: str) -> bytes:
    """The door with its station as this caller may see it; raises a Problem for an unknown code."""
    with hub.db.read() as conn:
        try:
            door = registry.get_door(conn, door_code)
        except NotFound:
            raise not_found("door with this code") from None
        device: Device | None
        try:
            device = registry.get_device(conn, door.lock)
            link, _ = link_of(conn, door.lock, hub.clock.now_ms())
        except NotFound:
            device, link = None, "offline"
    shown = hub.board.get(door.station)
    if shown is None:
        hub.feed.wake()
        raise Problem(503, "starting", "This station is being read; try again.", headers={"Retry-After": "1"})
    label = device.label if device is not None else None
    elsewhere = nearby_json(hub.board, nearby(hub.board, shown.station, hub.clock.now_ms()))
    told = {"door": door.code, "label": label, "lock": link, "nearby": elsewhere}
    head = json.dumps(told, ensure_ascii=False)
    return head[:-1].encode() + b', "station": ' + body(shown, caller) + b"}"


@router.post(
    "/doors/{door_code}/unlock",
    status_code=202,
    response_model=door_shapes.Unlocking,
    responses=declared(401, 403, 404, 409, 422, 429, 503),
)
async def unlock_door(
    request: Request,
    hub: Hub,
    caller: Anyone,
    door_code: DoorCode,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Ask for the door to be opened, now or never.

    202: the gateway has it, follow `stream`. 403: no, with words for the person. 409: the lock cannot
    be reached. 503: nobody is there who could command it. Nothing opens later than 8 s after the request.
    """
    if caller is None:
        raise Problem(
            401,
            "not_signed_in",
            "Opening a door needs a token or a signed-in browser.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    answer = await tap(request, hub, caller, door_code, idempotency_key)
    if isinstance(answer, Refused):
        raise answer.problem()
    return {
        "command": answer.command_id,
        "state": answer.state,
        "stream": f"/api/v1/commands/{answer.command_id}/stream",
        "joined": answer.joined,
        "access": answer.access_id,
    }


async def tap(
    request: Request, hub: ApiState, caller: Caller, door_code: str, key: str | None
) -> Taken | Refused:
    """Do it in one of the threads that are kept for doors; raises a Problem for an unknown code."""
    work = partial(unlock, hub, caller, door_code, key, request.state.arrived_s)
    try:
        return await to_thread.run_sync(work, limiter=hub.unlock_threads)
    except NotFound:
        raise not_found("door with this code") from None
