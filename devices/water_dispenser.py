"""A water dispenser: purifier, tank and boiler, which may run dry, leak, burn dry or give bad water."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from devices.derived import GrownBy, HeldMedian, MinutesUnchanged, RisePerMinute, TurnsTo
from devices.kind import ColumnType, Command, Export, Kind, Parts
from devices.message import Event, Part, Telemetry, metric
from devices.state import DeviceState
from domain.facts import Value

FRESH_S = 300
SLOW_S = 3600
EMPTY_PCT, LOW_PCT = 5.0, 20.0
HOT_C = 80.0
"""From this on the hot tap is called hot; a boiler that refills stays above it."""


class Filter(Part):
    """One cartridge. It ends by litres or by hours, whichever comes first."""

    n: int = Field(ge=1, le=8, description="place of the cartridge, in the order of the flow")
    medium: Literal["PP", "C1", "RO", "UF", "C2"] | None = metric("what it is made of", fresh_s=86_400)
    litres_used: float | None = metric("water through it so far", unit="L", low=0, fresh_s=86_400)
    litres_total: float | None = metric("water that it is good for", unit="L", low=1, fresh_s=86_400)
    hours_used: float | None = metric("hours since it was fitted", unit="h", low=0, fresh_s=86_400)
    hours_total: float | None = metric("hours that it is good for", unit="h", low=1, fresh_s=86_400)


class WaterTelemetry(Telemetry):
    """State of the machine; what a model does not measure is simply absent."""

    state: Literal["idle", "dispensing", "heating", "rinsing", "fault", "off"] | None = metric(
        "what it does", fresh_s=FRESH_S
    )
    purifier: Literal["ro", "uf", "none"] | None = metric("how it cleans the water", fresh_s=86_400)
    tank_level_pct: float | None = metric("water in the tank", unit="%", low=0, high=100, fresh_s=FRESH_S)
    inlet_pressure_kpa: float | None = metric(
        "pressure before the inlet valve", unit="kPa", low=0, high=1600, fresh_s=FRESH_S
    )
    inlet_temp_c: float | None = metric("water coming in", unit="°C", low=-20, high=100, fresh_s=FRESH_S)
    flow_lpm: float | None = metric("water flowing in", unit="L/min", low=0, high=60, fresh_s=FRESH_S)
    out_lpm: float | None = metric("water out of the taps", unit="L/min", low=0, high=60, fresh_s=FRESH_S)
    total_litres: float | None = metric("water filtered so far, rinsing too", unit="L", low=0, fresh_s=SLOW_S)
    dispensed_litres: float | None = metric("water given to people so far", unit="L", low=0, fresh_s=SLOW_S)
    tds_in: float | None = metric("solids in it, coming in", unit="mg/L", low=0, high=5000, fresh_s=FRESH_S)
    tds_out: float | None = metric("solids in it, going out", unit="mg/L", low=0, high=5000, fresh_s=FRESH_S)
    hot_temp_c: float | None = metric("water in the boiler", unit="°C", low=-20, high=300, fresh_s=FRESH_S)
    cold_temp_c: float | None = metric("water of the cold tap", unit="°C", low=-20, high=100, fresh_s=FRESH_S)
    heater_on: bool | None = metric("the heater is fed", fresh_s=FRESH_S)
    uv_on: bool | None = metric("the ultraviolet lamp burns", fresh_s=FRESH_S)
    uv_hours: float | None = metric("hours of the lamp", unit="h", low=0, fresh_s=86_400)
    leak: bool | None = metric("water in the drip tray or on the floor", fresh_s=FRESH_S)
    float_ok: bool | None = metric("the float of the tank moves", fresh_s=SLOW_S)
    valve_closed: bool | None = metric("the inlet valve is closed", fresh_s=FRESH_S)
    serving: bool | None = metric("the taps give water when asked", fresh_s=FRESH_S)
    cut: bool | None = metric("heater cut off for safety; a person switches it on again", fresh_s=FRESH_S)
    fault_code: str | None = metric("the maker's code of a fault; empty without one", fresh_s=SLOW_S)
    sanitised_days: float | None = metric("days since it was disinfected", unit="d", low=0, fresh_s=86_400)
    filters: list[Filter] | None = Field(
        default=None, max_length=8, description="any of the cartridges, merged by n"
    )


class Leak(Event):
    """Water where none should be."""

    sets: ClassVar[dict[str, Value]] = {"leak": True}
    type: Literal["leak"]


class DryBurn(Event):
    """The boiler heats without water."""

    type: Literal["dry_burn"]
    hot_temp_c: float | None = metric("heat of the boiler", unit="°C", low=-20, high=300, fresh_s=FRESH_S)


class FilterChanged(Event):
    """Somebody fitted a new cartridge."""

    sets: ClassVar[dict[str, Value]] = {"litres_used": 0.0, "hours_used": 0.0}
    type: Literal["filter_changed"]
    filter: int = Field(ge=1, le=8)


def _level(state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
    """`off`, `empty`, `low`, `hot` or `ok`; as old as the oldest fact that it rests on."""
    own, values = state.own, state.own.values
    marks = map(own.mark, ("state", "tank_level_pct", "serving"))
    told = [mark.at_ms for mark in marks if mark is not None]
    if not told:
        return None
    as_of_ms = min(told)
    doing, tank_pct = values.get("state"), values.get("tank_level_pct")
    if values.get("serving") is False or values.get("cut") is True or doing in ("off", "fault"):
        return "off", as_of_ms
    if doing is None and tank_pct is None:
        return None, as_of_ms
    if isinstance(tank_pct, (int, float)) and tank_pct < EMPTY_PCT:
        return "empty", as_of_ms
    if isinstance(tank_pct, (int, float)) and tank_pct < LOW_PCT:
        return "low", as_of_ms
    hot_c = values.get("hot_temp_c")
    if isinstance(hot_c, (int, float)) and hot_c >= HOT_C:
        heated_ms = own.as_of("hot_temp_c") or 0
        if heated_ms > now_ms - FRESH_S * 1000:
            return "hot", min(as_of_ms, heated_ms)
    return "ok", as_of_ms


def _own(name: str, type_: ColumnType) -> Export:
    return Export(role="water", name=name, type=type_, fresh_s=FRESH_S, shown=False)


def _shows(name: str, value: Value) -> Callable[[Mapping[str, Value]], bool]:
    def holds(facts: Mapping[str, Value]) -> bool:
        return name in facts and facts[name] == value

    return holds


_COMMANDS = (
    Command(name="close_valve", holds=_shows("valve_closed", True)),
    Command(name="stop_supply", holds=_shows("serving", False)),
    Command(name="cut_power", holds=_shows("cut", True)),
    Command(name="flush", holds=_shows("state", "rinsing")),
    # Letting water or heat in again is for a person who has looked.
    Command(name="open_valve"),
    Command(name="resume_supply"),
    Command(name="restore_power"),
)

KIND = Kind(
    name="water_dispenser",
    title_zh="饮水机",
    title_en="Water dispenser",
    telemetry=WaterTelemetry,
    events={"leak": Leak, "dry_burn": DryBurn, "filter_changed": FilterChanged},
    commands={one.name: one for one in _COMMANDS},
    derived=(
        HeldMedian("tds_out_median", "tds_out", over_s=300),
        HeldMedian("tds_in_median", "tds_in", over_s=300),
        RisePerMinute("hot_rise_c_per_min", "hot_temp_c", over_s=180),
        TurnsTo("draws_5m", "state", "dispensing", over_s=300),
        GrownBy("filtered_1h_l", "total_litres", over_s=3_600),
        GrownBy("given_1h_l", "dispensed_litres", over_s=3_600),
        GrownBy("given_48h_l", "dispensed_litres", over_s=48 * 3_600),
        MinutesUnchanged("tds_unchanged_min", "tds_out"),
        MinutesUnchanged("still_min", "total_litres"),
        MinutesUnchanged("unused_min", "dispensed_litres"),
    ),
    parts=Parts(name="filter", field="filters", model=Filter),
    exports=(
        Export(role="water", name="water", type="str", read=_level, fresh_s=FRESH_S),
        _own("hot_temp_c", "float"),
        _own("serving", "bool"),
        _own("valve_closed", "bool"),
        _own("leak", "bool"),
        _own("dispensed_litres", "float"),
    ),
    period_s=60,
)
