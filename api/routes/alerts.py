"""Alerts of an area: to list, to take on, and to end with a reason where a person must."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from api import cursors, shapes
from api.areas import narrowed
from api.asking import Area, Cursor, Limit, StationQuery
from api.caller import Caller, needs
from api.problems import declared, not_found
from api.state import ApiState, Hub
from api.station_json import alert_json
from domain.errors import NotFound
from storage import alerts, audit, notices, stations
from storage.alerts import Alert

router = APIRouter(prefix="/api/v1", tags=["alerts"])
CHANNEL = "webhook"
AlertId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


@router.get("/alerts", response_model=shapes.AlertsPage, responses=declared(401, 403, 422, 503))
def list_alerts(
    hub: Hub,
    caller: Annotated[Caller, needs("alerts:read")],
    state: Annotated[Literal["open", "firing", "acknowledged", "resolved"] | None, Query()] = None,
    area: Area = "",
    code: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,64}$", examples=["battery_hot"])] = None,
    station: StationQuery = None,
    severity: Annotated[Literal["emergency", "major", "minor", "info"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The newest first. `open` means firing or acknowledged."""
    filters = [state, area, code, station, severity, caller.area]
    last = cursors.read(cursor, filters, str)
    seen = narrowed(caller.area, area)
    if seen is None:
        return {"items": [], "next": None}
    with hub.db.read() as conn:
        found = alerts.search(
            conn,
            state=state,
            area=seen,
            station=station,
            code=code,
            severity=severity,
            before=str(last[0]) if last else "",
            limit=limit + 1,
        )
    items = found[:limit]
    following = cursors.make(filters, items[-1].id) if len(found) > limit else None
    return {"items": [alert_json(one) for one in items], "next": following}


@router.get("/alerts/{alert_id}", response_model=shapes.Alert, responses=declared(401, 403, 404, 422, 503))
def get_alert(hub: Hub, caller: Annotated[Caller, needs("alerts:read")], alert_id: AlertId) -> dict[str, Any]:
    """One alert."""
    with hub.db.read() as conn:
        return alert_json(see_alert(conn, caller, alert_id))


@router.post(
    "/alerts/{alert_id}/acknowledge",
    response_model=shapes.Alert,
    responses=declared(401, 403, 404, 409, 422, 503),
)
def acknowledge(
    hub: Hub, caller: Annotated[Caller, needs("alerts:write")], alert_id: AlertId
) -> dict[str, Any]:
    """Say that somebody takes care of it; the first one stays named."""
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        see_alert(conn, caller, alert_id)
        alert = alerts.acknowledge(conn, alert_id, caller.actor, now_ms)
        audit.note(conn, now_ms, caller.actor, "alert.acknowledge", f"alert:{alert_id}", "ok")
    hub.feed.wake()
    return alert_json(alert)


@router.post(
    "/alerts/{alert_id}/reset",
    response_model=shapes.Alert,
    responses=declared(401, 403, 404, 409, 413, 422, 503),
)
def reset(
    hub: Hub, caller: Annotated[Caller, needs("alerts:write")], alert_id: AlertId, why: shapes.Reset
) -> dict[str, Any]:
    """End a latched alert, with the reason. If what caused it still holds, a new one opens."""
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        see_alert(conn, caller, alert_id)
        alert = alerts.reset(conn, alert_id, caller.actor, why.reason, now_ms)
        notices.create(conn, alert_id, "resolved", CHANNEL, now_ms)
        audit.note(
            conn, now_ms, caller.actor, "alert.reset", f"alert:{alert_id}", "ok", {"reason": why.reason}
        )
    _tell(hub, alert)
    return alert_json(alert)


def _tell(hub: ApiState, alert: Alert) -> None:
    hub.feed.wake()
    hub.tell_gateway(alert.adcode, {"alert": alert.id})


def see_alert(conn: Connection, caller: Caller, alert_id: str) -> Alert:
    """The alert, or the same NotFound for one that is not there and one that is not theirs."""
    try:
        alert = alerts.get(conn, alert_id)
        if caller.sees(stations.get_station(conn, alert.device.station)):
            return alert
    except NotFound:
        pass
    raise not_found(f"alert {alert_id}")
