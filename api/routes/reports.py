"""How stations were used and how well they did: for the staff of an area."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes_reports as shapes
from api.areas import narrowed
from api.asking import Area, Moment
from api.caller import Caller, needs
from api.problems import bad_field, declared
from api.report_table import Report, csv_text, report_json
from api.state import Hub
from api.times import ms_of
from storage import audit, utilisation
from storage.rollups import HOUR_MS, hour_of

router = APIRouter(prefix="/api/v1", tags=["reports"])
LONGEST_H = 750 * 24
_UNITS_H = {"h": 1, "d": 24}


@router.get(
    "/reports/utilisation",
    response_model=shapes.Utilisation,
    responses={
        **declared(401, 403, 422, 503),
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "JSON, or CSV if asked",
        },
    },
)
def utilisation_report(
    hub: Hub,
    caller: Annotated[Caller, needs("reports:read")],
    area: Area = "",
    since: Annotated[str, Query(max_length=8, description="a length before `to`", examples=["7d"])] = "7d",
    to: Annotated[Moment | None, Query(description="the last full hour if not given; not included")] = None,
    worst: Annotated[int, Query(ge=0, le=1000, description="how many stations, the worst first")] = 20,
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    lang: Annotated[Literal["zh", "en"], Query(description="heads of the CSV")] = "zh",
) -> Any:
    """Minutes up, down, unknown and closed of each amenity, visits, health; by county and station.

    CSV holds every station of the area, the worst first, and each export is written down.
    """
    now_ms = hub.clock.now_ms()
    to_ms = hour_of(min(ms_of(to), now_ms) if to else now_ms)
    from_ms = to_ms - hours_of(since) * HOUR_MS
    if from_ms < 0:
        raise bad_field("query.to", "must be after 1970")
    seen = narrowed(caller.area, area)
    found = []
    if seen is not None:
        with hub.db.read() as conn:
            found = utilisation.figures(conn, seen, from_ms, to_ms)
    report = Report(area if seen is None else seen, from_ms, to_ms, found, hub.counties)
    if format_ == "json":
        return report_json(report, worst)
    with hub.db.write() as conn:
        told = {"since": since, "stations": len(found)}
        audit.note(conn, now_ms, caller.actor, "report.export", f"area:{report.area}", "ok", told)
    name = f"utilisation-{report.area or 'all'}.csv"
    return Response(
        csv_text(report, lang),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def hours_of(since: str) -> int:
    """Hours in `7d` or `24h`; a problem when it is neither."""
    match = re.fullmatch(r"([0-9]{1,5})([hd])", since, re.ASCII)
    hours = int(match[1]) * _UNITS_H[match[2]] if match else 0
    if not 1 <= hours <= LONGEST_H:
        raise bad_field("query.since", "must be a length from 1h to 750d, such as 24h or 7d")
    return hours
