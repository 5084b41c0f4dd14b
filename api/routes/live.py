"""The live feed: a snapshot, and then what changes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.asking import Area
from api.caller import FOR_ALL, Anyone
from api.feed import Audience, TooMany
from api.packing import takes_gzip
from api.problems import Problem, declared
from api.state import Hub
from api.streams import EventStream, documented

router = APIRouter(prefix="/api/v1", tags=["live"])


@router.get(
    "/live",
    response_class=EventStream,
    status_code=200,
    openapi_extra=FOR_ALL,
    responses={
        **documented("Server-sent events, JSON in each.", "snapshot", "change", "alert", "beat", "resync"),
        **declared(401, 422, 503),
    },
)
async def live(request: Request, hub: Hub, caller: Anyone, area: Area = "") -> Response:
    """All stations of an area, and every change; alerts and head counts for staff of the area.

    `beat` comes every 5 s. After `resync` nothing more comes: connect again, the snapshot is new.
    """
    if hub.board.looked_s is None:
        raise Problem(503, "starting", "The database has not been read yet.", headers={"Retry-After": "1"})
    staff = caller.area if caller is not None and caller.may("alerts:read") else None
    address = request.client.host if request.client else ""
    try:
        reader, leave = hub.feed.join(Audience(area, staff), address)
    except TooMany:
        raise Problem(
            503,
            "too_many",
            "Too many live pages are open here; poll /api/v1/availability instead.",
            headers={"Retry-After": "10"},
        ) from None
    options = hub.options
    return EventStream(
        reader,
        leave,
        write_within_s=options.write_within_s,
        first_within_s=options.snapshot_within_s,
        gzip=takes_gzip(request.headers.get("accept-encoding", "")),
    )
