"""Messages that could not be understood: to search, and to try again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from api import cursors, shapes
from api.asking import Cursor, Limit, StationQuery
from api.caller import Caller, needs
from api.problems import bad_field, declared, not_found
from api.state import Hub
from api.times import text_of
from domain.errors import NotFound
from storage import audit, quarantine, stations
from storage.quarantine import Quarantined

router = APIRouter(prefix="/api/v1", tags=["quarantine"])


@router.get("/quarantine", response_model=shapes.QuarantinePage, responses=declared(401, 403, 422, 503))
def list_quarantine(
    hub: Hub,
    caller: Annotated[Caller, needs("quarantine:read")],
    reason: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,64}$", examples=["bad_payload"])] = None,
    station: StationQuery = None,
    q: Annotated[str, Query(max_length=64, description="part of topic, path or detail")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The newest first. Who may not see the whole hub must name a station of theirs."""
    filters = [reason, station, q, caller.area]
    last = cursors.read(cursor, filters, int)
    with hub.db.read() as conn:
        if caller.area and not (station and _sees(conn, caller, station)):
            raise bad_field("query.station", f"this token is for {caller.area}: name a station of it")
        found = quarantine.search(
            conn,
            reason=reason,
            station=station,
            text=q,
            before_id=int(last[0]) if last else None,
            limit=limit + 1,
        )
    items = found[:limit]
    following = cursors.make(filters, items[-1].id) if len(found) > limit else None
    return {"items": [_json(one) for one in items], "next": following}


@router.post(
    "/quarantine/{message_id}/replay",
    status_code=202,
    response_model=shapes.Replay,
    responses=declared(401, 403, 404, 409, 422, 503),
)
def replay(
    hub: Hub,
    caller: Annotated[Caller, needs("quarantine:write")],
    message_id: Annotated[int, Path(ge=1, le=2**53)],
) -> dict[str, Any]:
    """Ask the gateway to try a message again, e.g. after its station was added."""
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        try:
            found = quarantine.get(conn, message_id)
        except NotFound:
            found = None
        if found is None or (caller.area and not (found.station and _sees(conn, caller, found.station))):
            raise not_found(f"message {message_id}")
        asked = quarantine.ask_replay(conn, message_id, now_ms)
        audit.note(conn, now_ms, caller.actor, "quarantine.replay", f"quarantine:{message_id}", "ok")
    hub.tell_gateway((found.station or "000000")[:6], {"replay": str(asked)})
    return {"replay": asked, "quarantined": message_id, "state": "waiting"}


def _sees(conn: Connection, caller: Caller, station: str) -> bool:
    try:
        return caller.sees(stations.get_station(conn, station))
    except NotFound:
        return False


def _json(row: Quarantined) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "payload": row.payload.decode("utf-8", "backslashreplace"),
        "size": row.size,
        "reason": row.reason,
        "path": row.path,
        "detail": row.detail,
        "station": row.station,
        "first": text_of(row.first_ms),
        "last": text_of(row.last_ms),
        "count": row.times,
        "state": row.state,
        "whole": row.whole,
    }
