"""An umbrella stand: how many umbrellas can be borrowed, and how wet the drip tray of each bay is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from devices.derived import RisePerMinute
from devices.kind import Command, Export, Kind, Parts
from devices.message import Event, Part, Telemetry, metric
from devices.state import DeviceState
from domain.facts import Value


class Bay(Part):
    """One place for an umbrella."""

    n: int = Field(ge=1, le=8)
    tray_ml: float | None = metric("water in the drip tray", unit="mL", low=0, high=2000, fresh_s=300)


class StandTelemetry(Telemetry):
    """State of the stand."""

    umbrellas: int | None = metric("umbrellas to borrow", unit="umbrellas", low=0, high=8, fresh_s=300)
    locked: bool | None = metric("the stand is locked", fresh_s=300)
    bays: list[Bay] | None = Field(default=None, max_length=8, description="any of the bays, merged by n")


class Borrowed(Event):
    """Somebody took an umbrella."""

    sets: ClassVar[dict[str, Value]] = {}
    type: Literal["borrowed"]
    bay: int = Field(ge=1, le=8)


def _umbrellas(state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
    mark = state.own.mark("umbrellas")
    return None if mark is None else (state.own.values["umbrellas"], mark.at_ms)


def _locked(facts: Mapping[str, Value]) -> bool:
    return facts.get("locked") is True


KIND = Kind(
    name="umbrella_stand",
    title_zh="伞架",
    title_en="Umbrella stand",
    telemetry=StandTelemetry,
    events={"borrowed": Borrowed},
    commands={"close": Command(name="close", holds=_locked)},
    parts=Parts(
        name="bay",
        field="bays",
        model=Bay,
        derived=(RisePerMinute("rise_ml_per_min", "tray_ml", over_s=120),),
    ),
    exports=(Export(role="umbrella", name="umbrellas", type="int", read=_umbrellas, fresh_s=300),),
    period_s=60,
)
