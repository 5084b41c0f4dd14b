"""An occupancy sensor: how many people it counted in the room, and whether anybody is there at all."""

from __future__ import annotations

from typing import ClassVar, Literal

from devices.derived import HeldMedian, MinutesUnchanged
from devices.kind import ColumnType, Export, Kind
from devices.message import Event, Telemetry, metric
from devices.state import DeviceState
from domain.facts import Value

FRESH_S = 180


class OccupancyTelemetry(Telemetry):
    """Two readings that can contradict each other: a counter over the door, and presence in the room."""

    count_raw: int | None = metric(
        "net count of the door counter", unit="people", low=-1000, high=1000, fresh_s=FRESH_S
    )
    presence: bool | None = metric("somebody is in the room", fresh_s=FRESH_S)
    in_total: int | None = metric("people counted in", unit="people", low=0, fresh_s=86_400)
    out_total: int | None = metric("people counted out", unit="people", low=0, fresh_s=86_400)


class CountReset(Event):
    """The counter was set back to zero."""

    sets: ClassVar[dict[str, Value]] = {"count_raw": 0}
    type: Literal["count_reset"]


def estimate(count_raw: Value, presence: Value) -> int | None:
    """People in the room, from a counter that drifts and a presence that cannot count.

    Nobody present means nobody; somebody present means at least one; never below zero.
    """
    if isinstance(count_raw, bool) or not isinstance(count_raw, (int, float)):
        return None if presence is not False else 0
    if presence is False:
        return 0
    return max(int(count_raw), 1 if presence is True else 0)


def _count(state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
    own, values = state.own, state.own.values
    as_of_ms, presence_ms = own.as_of("count_raw"), own.as_of("presence")
    if as_of_ms is None:
        return None
    presence = None if presence_ms is None else values.get("presence")
    if presence is not None and presence_ms is not None:
        # Two readings make one number: it is as old as the older of them.
        as_of_ms = min(as_of_ms, presence_ms)
    return estimate(values["count_raw"], presence), as_of_ms


def _read(name: str, source: str, type_: ColumnType) -> Export:
    return Export(
        role="occupancy",
        name=name,
        type=type_,
        aged_by=source,
        fresh_s=FRESH_S,
        shown=name == "presence",
    )


KIND = Kind(
    name="occupancy_sensor",
    title_zh="人数传感器",
    title_en="Occupancy sensor",
    telemetry=OccupancyTelemetry,
    events={"count_reset": CountReset},
    derived=(
        MinutesUnchanged("unchanged_min", "count_raw"),
        MinutesUnchanged("presence_min", "presence"),
        HeldMedian("count_median", "count_raw", over_s=300),
    ),
    exports=(
        Export(
            role="occupancy",
            name="people",
            type="int",
            read=_count,
            fresh_s=FRESH_S,
            sources=("count_raw", "presence"),
        ),
        _read("count_raw", "count_raw", "int"),
        _read("presence", "presence", "bool"),
        _read("unchanged_min", "count_raw", "int"),
        _read("presence_min", "presence", "int"),
        _read("count_median", "count_raw", "float"),
    ),
    period_s=30,
)
