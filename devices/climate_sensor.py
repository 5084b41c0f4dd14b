"""A climate sensor: air, smoke, water on the floor, mains, and the button that calls for help."""

from __future__ import annotations

from typing import ClassVar, Literal

from devices.derived import HeldMedian, MinutesUnchanged, RisePerMinute
from devices.kind import ColumnType, Export, Kind
from devices.message import Event, Telemetry, metric
from devices.state import DeviceState
from domain.facts import Value

FRESH_S = 300


class ClimateTelemetry(Telemetry):
    """The air of the room and what could go wrong in it; sensors that a station lacks are simply absent."""

    temp_c: float | None = metric("air temperature", unit="°C", low=-40, high=150, fresh_s=FRESH_S)
    humidity_pct: float | None = metric("relative humidity", unit="%", low=0, high=100, fresh_s=FRESH_S)
    smoke: bool | None = metric("smoke in the room", fresh_s=FRESH_S)
    smoke_fault: bool | None = metric("the smoke detector fails its own test", fresh_s=FRESH_S)
    leak: bool | None = metric("water on the floor", fresh_s=FRESH_S)
    mains_ok: bool | None = metric("mains present", fresh_s=FRESH_S)
    sos: bool | None = metric("the help button is pressed; it stays in until reset on site", fresh_s=FRESH_S)
    battery_pct: float | None = metric("charge of its own battery", unit="%", low=0, high=100, fresh_s=3600)


class Smoke(Event):
    """The smoke detector answered."""

    sets: ClassVar[dict[str, Value]] = {"smoke": True}
    safety: ClassVar[bool] = True
    type: Literal["smoke"]


class Sos(Event):
    """Somebody in the room pressed the help button."""

    sets: ClassVar[dict[str, Value]] = {"sos": True}
    safety: ClassVar[bool] = True
    type: Literal["sos"]


class Leak(Event):
    """The floor got wet."""

    sets: ClassVar[dict[str, Value]] = {"leak": True}
    type: Literal["leak"]


def _room_temp(state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
    """The median of some minutes in whole degrees: one bad reading is no weather, and a tenth no news."""
    mark = state.own.mark("temp_c")
    if mark is None:
        return None
    median_c = state.own.values.get("temp_median_c")
    if state.own.values.get("temp_c") is None or not isinstance(median_c, (int, float)):
        return None, mark.at_ms
    return float(round(median_c)), mark.at_ms


def _own(name: str, type_: ColumnType = "bool") -> Export:
    return Export(role="climate", name=name, type=type_, fresh_s=FRESH_S, shown=False)


KIND = Kind(
    name="climate_sensor",
    title_zh="环境传感器",
    title_en="Climate sensor",
    telemetry=ClimateTelemetry,
    events={"smoke": Smoke, "sos": Sos, "leak": Leak},
    derived=(
        HeldMedian("temp_median_c", "temp_c", over_s=300),
        RisePerMinute("rise_c_per_min", "temp_c", over_s=180),
        MinutesUnchanged("temp_unchanged_min", "temp_c"),
    ),
    exports=(
        Export(
            role="climate",
            name="temp_c",
            type="float",
            read=_room_temp,
            fresh_s=FRESH_S,
            sources=("temp_median_c",),
            whole=True,
        ),
        _own("smoke"),
        _own("leak"),
        _own("mains_ok"),
    ),
    period_s=60,
)
