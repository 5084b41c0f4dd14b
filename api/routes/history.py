"""One metric over time."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from api import shapes
from api.asking import KindPath, Moment, NumberPath, StationPath
from api.caller import Caller, needs
from api.problems import bad_field, declared
from api.routes.devices import see_station
from api.state import Hub
from api.times import ms_of, text_of
from devices.registry import kinds
from domain.ids import DeviceId
from storage import registry

router = APIRouter(prefix="/api/v1", tags=["history"])
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DAY_MS = 86_400_000


@router.get(
    "/history/{station_id}/{kind}/{n}",
    response_model=shapes.History,
    responses=declared(401, 403, 404, 422, 503),
)
def history(
    hub: Hub,
    caller: Annotated[Caller, needs("history:read")],
    station_id: StationPath,
    kind: KindPath,
    n: NumberPath,
    metric: Annotated[str, Query(max_length=64, examples=["temp_c"])],
    part: Annotated[int, Query(ge=0, le=999, description="0: the device itself")] = 0,
    from_: Annotated[Moment | None, Query(alias="from", description="a day before `to` if not given")] = None,
    to: Annotated[Moment | None, Query(description="now if not given; not included")] = None,
    step: Annotated[str | None, Query(max_length=12, description="60s, 5m, 1h, 1d", examples=["60s"])] = None,
    agg: Annotated[Literal["min", "mean", "max", "last"], Query(description="within each step")] = "mean",
) -> dict[str, Any]:
    """Every report, or one point a step that begins at its time. Where nothing was reported there is no
    point: draw a gap, not a line."""
    to_ms = ms_of(to) if to else hub.clock.now_ms()
    from_ms = ms_of(from_) if from_ else to_ms - _DAY_MS
    if from_ms >= to_ms:
        raise bad_field("query.from", "must be before `to`")
    if from_ms < 0 or to_ms >= 2**53:
        raise bad_field("query.from", "must be between 1970 and the far future")
    step_ms = _step_ms(step)
    declared_kind = kinds().get(kind)
    device = DeviceId(station_id, kind, n)
    with hub.db.read() as conn:
        see_station(conn, caller, station_id)
        registry.get_device(conn, device)
        known = (declared_kind.part_metrics if part else declared_kind.metrics) if declared_kind else {}
        if part and not known:
            raise bad_field("query.part", f"a {kind} has no parts; leave it out")
        if metric not in known:
            raise bad_field("query.metric", f"is not one of {', '.join(known)}")
        type_ = known[metric].type
        aggregate = "last" if type_ == "str" and step_ms is None else agg
        if type_ == "str" and aggregate != "last":
            raise bad_field("query.agg", f"{metric} is text: it has only agg=last")
        try:
            points = hub.series.history(conn, device, metric, part, from_ms, to_ms, step_ms, aggregate)
        except ValueError as error:
            raise bad_field("query.step", str(error)) from None
    return {
        "metric": metric,
        "unit": known[metric].unit,
        "step_s": None if step_ms is None else step_ms / 1000,
        "points": [(text_of(point.at_ms), point.value) for point in points],
    }


def _step_ms(step: str | None) -> int | None:
    if step is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", step, re.ASCII)
    length_s = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= length_s <= 31 * 86_400:
        raise bad_field("query.step", "must be a length from 1s to 31d, such as 60s, 5m or 1h")
    return length_s * 1000
