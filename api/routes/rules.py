"""Rulebooks: what is in force, what was, what a new one would change; and why an alert opened."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy import Connection

from api import shapes_rules as shapes
from api.areas import narrowed
from api.caller import Caller, needs
from api.problems import Mistake, Problem, declared, not_found
from api.routes.alerts import AlertId, see_alert
from api.state import ApiState, Hub
from api.story_json import explanation_json
from api.times import text_of
from domain.errors import BadRulebook, NotFound
from storage import audit, books, rulebooks
from storage.alert_story import story_of
from storage.books import Checked
from storage.rulebooks import PROVINCE, RulebookRow

router = APIRouter(prefix="/api/v1", tags=["rules"])
Version = Annotated[int, Path(ge=1, le=2**53)]
_ANYWHERE = "000000"


@router.get("/rules", response_model=shapes.Rulebooks, responses=declared(401, 403, 503))
def list_rulebooks(hub: Hub, caller: Annotated[Caller, needs("rules:read")]) -> dict[str, Any]:
    """Every version, the newest first: the province's, and those of areas that the token may see."""
    with hub.db.read() as conn:
        return {"items": [_json(row) for row in rulebooks.list_all(conn) if _may_see(caller, row)]}


@router.get(
    "/rules/{version}", response_model=shapes.RulebookText, responses=declared(401, 403, 404, 422, 503)
)
def get_rulebook(
    hub: Hub, caller: Annotated[Caller, needs("rules:read")], version: Version
) -> dict[str, Any]:
    """One version with its text."""
    with hub.db.read() as conn:
        row = _see(conn, caller, version)
    return {**_json(row), "text": row.text}


@router.post(
    "/rules/check", response_model=shapes.CheckedRulebook, responses=declared(401, 403, 413, 422, 503)
)
def check(
    hub: Hub, caller: Annotated[Caller, needs("rules:read")], new: shapes.NewRulebook
) -> dict[str, Any]:
    """Read a rulebook and run its cases; every mistake comes with its line."""
    with hub.db.read() as conn:
        found = _checked(conn, new.text, new.area)
    return {"rules": len(found.own.rules), "cases": found.cases, "sha": found.own.sha}


@router.post("/rules/diff", response_model=shapes.RulebookDiff, responses=declared(401, 403, 413, 422, 503))
def diff(hub: Hub, caller: Annotated[Caller, needs("rules:read")], new: shapes.NewRulebook) -> dict[str, Any]:
    """What a rulebook would change, rule by rule, and how many stations and devices that touches."""
    with hub.db.read() as conn:
        found = books.compare(conn, _checked(conn, new.text, new.area), area=new.area, seen=caller.area)
    return {
        "since": found.since,
        "changes": [
            {
                "code": one.code,
                "what": one.what,
                "safety": one.safety,
                "fields": {
                    name: {"was": was, "becomes": becomes} for name, (was, becomes) in one.fields.items()
                },
            }
            for one in found.changes
        ],
        "reach": [one._asdict() for one in found.reach],
    }


@router.post(
    "/rules", status_code=201, response_model=shapes.Rulebook, responses=declared(401, 403, 413, 422, 503)
)
def load(
    hub: Hub, caller: Annotated[Caller, needs("rules:write")], new: shapes.NewRulebook
) -> dict[str, Any]:
    """Check a rulebook and put it in force; the gateway takes it within seconds."""
    _may_change(hub, caller, new.area, "rules.load")
    with hub.db.read() as conn:
        _checked(conn, new.text, new.area)
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        area = books.area_name(new.area)
        row = rulebooks.add(conn, new.text, caller.actor, now_ms, area=area)
        detail = {"sha": row.sha, "area": new.area}
        audit.note(conn, now_ms, caller.actor, "rules.load", f"rulebook:{row.version}", "ok", detail)
    _tell(hub, row.version)
    return _json(row)


@router.post(
    "/rules/{version}/rollback",
    status_code=201,
    response_model=shapes.Rulebook,
    responses=declared(401, 403, 404, 409, 422, 503),
)
def rollback(hub: Hub, caller: Annotated[Caller, needs("rules:write")], version: Version) -> dict[str, Any]:
    """Put an earlier text in force again, as a new version."""
    with hub.db.read() as conn:
        old = _see(conn, caller, version)
    area = "" if old.area == PROVINCE else old.area
    _may_change(hub, caller, area, "rules.rollback")
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        _checked(conn, old.text, area)
        row = rulebooks.roll_back(conn, version, caller.actor, now_ms)
        detail = {"from": version, "sha": row.sha, "area": area}
        audit.note(conn, now_ms, caller.actor, "rules.rollback", f"rulebook:{row.version}", "ok", detail)
    _tell(hub, row.version)
    return _json(row)


@router.post("/rules/drop", response_model=shapes.Rulebook, responses=declared(401, 403, 404, 413, 422, 503))
def drop(hub: Hub, caller: Annotated[Caller, needs("rules:write")], which: shapes.AreaOnly) -> dict[str, Any]:
    """An area follows the larger area's rulebook again."""
    _may_change(hub, caller, which.area, "rules.drop")
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        version = rulebooks.drop_area(conn, which.area)
        row = rulebooks.get(conn, version)
        detail = {"area": which.area}
        audit.note(conn, now_ms, caller.actor, "rules.drop", f"rulebook:{version}", "ok", detail)
    _tell(hub, version)
    return _json(row)


@router.get(
    "/alerts/{alert_id}/explain",
    response_model=shapes.Explanation,
    responses=declared(401, 403, 404, 422, 503),
)
def explain(hub: Hub, caller: Annotated[Caller, needs("alerts:read")], alert_id: AlertId) -> dict[str, Any]:
    """Why an alert opened: rule and version, values with their ages, what it held back, what followed."""
    with hub.db.read() as conn:
        see_alert(conn, caller, alert_id)
        return explanation_json(story_of(conn, alert_id))


def _checked(conn: Connection, text: str, area: str) -> Checked:
    try:
        return books.check(conn, text, area=area, name="text")
    except BadRulebook as exc:
        lines = str(exc).splitlines()[:20]
        raise Problem(
            422, "bad_rulebook", lines[0], errors=[Mistake(path="body.text", detail=one) for one in lines]
        ) from exc


def _may_see(caller: Caller, row: RulebookRow) -> bool:
    """The province's rulebook decides for everybody; an area's is for those in it and around it."""
    return row.area == PROVINCE or narrowed(caller.area, row.area) is not None


def _see(conn: Connection, caller: Caller, version: int) -> RulebookRow:
    try:
        row = rulebooks.get(conn, version)
    except NotFound:
        row = None
    if row is None or not _may_see(caller, row):
        raise not_found(f"rulebook {version}")
    return row


def _may_change(hub: ApiState, caller: Caller, area: str, action: str) -> None:
    """Only who may see all of an area may change its rules; who tries otherwise is written down."""
    if area.startswith(caller.area):
        return
    now_ms = hub.clock.now_ms()
    with hub.db.write() as conn:
        audit.note(conn, now_ms, caller.actor, action, f"area:{books.area_name(area)}", "refused")
    whose = f"of {area}" if area else "of the province"
    raise Problem(403, "area", f"This token is for {caller.area}; it cannot change the rulebook {whose}.")


def _tell(hub: ApiState, version: int) -> None:
    hub.tell_gateway(_ANYWHERE, {"rulebook": str(version)})


def _json(row: RulebookRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "area": "" if row.area == PROVINCE else row.area,
        "sha": row.sha,
        "actor": row.actor,
        "loaded": text_of(row.created_ms),
        "active": row.active,
    }
