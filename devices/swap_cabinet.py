"""A battery-swap cabinet: one box with up to 48 slots, each charging a battery that may overheat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from devices.derived import DropPct, MinutesUnchanged, RisePerMinute
from devices.kind import Command, Export, Kind, Parts
from devices.message import Event, Part, Telemetry, metric
from devices.state import SELF, DeviceState
from domain.facts import Value

Protection = Literal[
    "ok", "over_voltage", "under_voltage", "over_current", "short", "hot", "cold", "cells", "fault"
]

FRESH_S = 180
READY_SOC_PCT = 95


class Slot(Part):
    """One slot and the battery in it."""

    n: int = Field(ge=1, le=48, description="number of the slot")
    state: Literal["empty", "charging", "full", "fault"] | None = metric(
        "what the slot does", fresh_s=FRESH_S
    )
    enabled: bool | None = metric("the slot may be used", fresh_s=FRESH_S)
    door: Literal["open", "closed"] | None = metric("door of the slot", fresh_s=FRESH_S)
    charger_on: bool | None = metric("the charger feeds the battery", fresh_s=FRESH_S)
    temp_c: float | None = metric(
        "battery temperature; null without a battery", unit="°C", low=-40, high=1200, fresh_s=FRESH_S
    )
    soc_pct: float | None = metric("charge of the battery", unit="%", low=0, high=100, fresh_s=FRESH_S)
    soh_pct: float | None = metric("health of the battery", unit="%", low=0, high=100, fresh_s=86_400)
    pack_v: float | None = metric("voltage of the battery", unit="V", low=0, high=100, fresh_s=FRESH_S)
    pack_a: float | None = metric("current into the battery", unit="A", low=-60, high=60, fresh_s=FRESH_S)
    battery: str | None = metric("serial number of the battery", fresh_s=FRESH_S)
    bms: Protection | None = metric("what the battery's own protection says", fresh_s=600)
    cell_delta_mv: float | None = metric(
        "difference between its highest and lowest cell", unit="mV", low=0, high=5000, fresh_s=3600
    )
    cycles: int | None = metric(
        "charges of the battery so far", unit="charges", low=0, high=100_000, fresh_s=86_400
    )
    charger_temp_c: float | None = metric(
        "temperature of the charger", unit="°C", low=-40, high=300, fresh_s=600
    )
    extinguisher: Literal["idle", "fired"] | None = metric("the slot's own extinguisher", fresh_s=600)


class CabinetTelemetry(Telemetry):
    """State of the cabinet; slots may come in several messages and merge by their number."""

    status: Literal["boot", "idle", "swapping", "returning", "taking", "fault"] | None = metric(
        "what the cabinet does", fresh_s=FRESH_S
    )
    enabled: bool | None = metric("the cabinet may be used", fresh_s=FRESH_S)
    charging_enabled: bool | None = metric("charging power is on", fresh_s=FRESH_S)
    smoke: bool | None = metric("smoke in the cabinet", fresh_s=FRESH_S)
    mains_ok: bool | None = metric("mains present", fresh_s=FRESH_S)
    flooded: bool | None = metric("water in the cabinet", fresh_s=FRESH_S)
    estop: bool | None = metric("emergency stop pressed", fresh_s=600)
    service_door: Literal["open", "closed"] | None = metric("door for service", fresh_s=FRESH_S)
    cabinet_temp_c: float | None = metric("air in the cabinet", unit="°C", low=-40, high=200, fresh_s=FRESH_S)
    power_w: float | None = metric("power drawn", unit="W", low=0, high=50_000, fresh_s=FRESH_S)
    energy_kwh: float | None = metric("energy drawn so far", unit="kWh", low=0, fresh_s=86_400)
    slots: list[Slot] | None = Field(default=None, max_length=48, description="any of the slots, merged by n")


class Overheat(Event):
    """A battery got hotter than the cabinet's own limit."""

    type: Literal["overheat"]
    slot: int = Field(ge=1, le=48)
    temp_c: float | None = metric("battery temperature", unit="°C", low=-40, high=1200, fresh_s=FRESH_S)


class Runaway(Event):
    """The cabinet itself found a thermal runaway."""

    safety: ClassVar[bool] = True
    type: Literal["runaway"]
    slot: int = Field(ge=1, le=48)
    temp_c: float | None = metric("battery temperature", unit="°C", low=-40, high=1200, fresh_s=FRESH_S)


class Smoke(Event):
    """The smoke sensor of the cabinet answered."""

    sets: ClassVar[dict[str, Value]] = {"smoke": True}
    safety: ClassVar[bool] = True
    type: Literal["smoke"]


class ExtinguisherFired(Event):
    """The extinguisher of a slot has gone off."""

    sets: ClassVar[dict[str, Value]] = {"extinguisher": "fired"}
    safety: ClassVar[bool] = True
    type: Literal["extinguisher_fired"]
    slot: int = Field(ge=1, le=48)


class Swapped(Event):
    """A rider took a full battery and left an empty one."""

    type: Literal["swapped"]
    slot_in: int = Field(ge=1, le=48)
    slot_out: int = Field(ge=1, le=48)
    order: str | None = Field(default=None, max_length=64, description="order number of the swap operator")


def _full_batteries(state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
    """Batteries that can be taken now: full, enabled, heard of lately; as old as the oldest of them."""
    fresh_from_ms = now_ms - FRESH_S * 1000
    heard: list[int] = []
    ready = 0
    newest_ms: int | None = None
    for n, facts in state.parts.items():
        mark = facts.mark("state")
        if n == SELF or mark is None:
            continue
        newest_ms = mark.at_ms if newest_ms is None else max(newest_ms, mark.at_ms)
        if mark.at_ms < fresh_from_ms:
            continue
        heard.append(mark.at_ms)
        values = facts.values
        if values["state"] == "full" and values.get("enabled") is not False:
            ready += 1
    if newest_ms is None:
        return None
    if state.own.values.get("enabled") is False:
        ready = 0
    return (ready, min(heard)) if heard else (None, newest_ms)


def _own(name: str) -> Export:
    return Export(role="cabinet", name=name, type="bool", fresh_s=FRESH_S)


def _charger_off(facts: Mapping[str, Value]) -> bool:
    return facts.get("charger_on") is False


def _disabled(facts: Mapping[str, Value]) -> bool:
    return facts.get("enabled") is False


def _power_cut(facts: Mapping[str, Value]) -> bool:
    return facts.get("charging_enabled") is False


KIND = Kind(
    name="swap_cabinet",
    title_zh="换电柜",
    title_en="Battery-swap cabinet",
    telemetry=CabinetTelemetry,
    events={
        "overheat": Overheat,
        "runaway": Runaway,
        "smoke": Smoke,
        "extinguisher_fired": ExtinguisherFired,
        "swapped": Swapped,
    },
    commands={
        "stop_charge": Command(
            name="stop_charge", args={"slot": (1, 48)}, part_arg="slot", holds=_charger_off
        ),
        "disable_slot": Command(
            name="disable_slot", args={"slot": (1, 48)}, part_arg="slot", holds=_disabled
        ),
        "cut_power": Command(name="cut_power", holds=_power_cut),
    },
    parts=Parts(
        name="slot",
        field="slots",
        model=Slot,
        derived=(
            RisePerMinute("rise_c_per_min", "temp_c", over_s=120),
            DropPct("drop_pct", "pack_v", over_s=120),
            MinutesUnchanged("state_min", "state"),
        ),
    ),
    exports=(
        Export(
            role="cabinet",
            name="full_batteries",
            type="int",
            read=_full_batteries,
            fresh_s=FRESH_S,
            sources=("state", "enabled"),
        ),
        _own("smoke"),
        _own("enabled"),
    ),
    period_s=30,
)
