"""A power switch: the meter and the circuits of a room, its lights and its air conditioning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from devices.derived import MinutesUnchanged
from devices.kind import ColumnType, Command, Export, Kind, Parts
from devices.message import Event, Part, Telemetry, metric
from domain.facts import Value

FRESH_S = 300
SETPOINT_C = (16, 30)
CIRCUITS = (1, 16)


class Circuit(Part):
    """One circuit behind its own breaker; lock, network and escape lights are fed apart."""

    n: int = Field(ge=1, le=16, description="number of the circuit")
    use: Literal["lights", "ac", "sockets", "water", "other"] | None = metric("what it feeds", fresh_s=86_400)
    on: bool | None = metric("the relay is told to be closed", fresh_s=FRESH_S)
    tripped: bool | None = metric("the breaker has tripped", fresh_s=FRESH_S)
    power_w: float | None = metric("power drawn", unit="W", low=0, high=20_000, fresh_s=FRESH_S)
    current_a: float | None = metric("current", unit="A", low=0, high=100, fresh_s=FRESH_S)
    rated_a: float | None = metric("rated current of its breaker", unit="A", low=1, high=100, fresh_s=86_400)
    terminal_c: float | None = metric("heat of its terminal", unit="°C", low=-40, high=300, fresh_s=FRESH_S)


class PowerTelemetry(Telemetry):
    """State of the whole; circuits may come in several messages and merge by their number."""

    mains_ok: bool | None = metric("mains present", fresh_s=FRESH_S)
    voltage_v: float | None = metric("voltage", unit="V", low=0, high=500, fresh_s=FRESH_S)
    power_w: float | None = metric(
        "power drawn by all circuits", unit="W", low=0, high=50_000, fresh_s=FRESH_S
    )
    energy_kwh: float | None = metric("energy drawn so far", unit="kWh", low=0, fresh_s=3600)
    residual_ma: float | None = metric("residual current", unit="mA", low=0, high=3000, fresh_s=FRESH_S)
    lights: bool | None = metric("the lights are on", fresh_s=FRESH_S)
    ac_mode: Literal["off", "cool", "heat", "fan", "dry"] | None = metric(
        "what the air conditioning does", fresh_s=FRESH_S
    )
    ac_setpoint_c: float | None = metric("wanted temperature", unit="°C", low=10, high=35, fresh_s=FRESH_S)
    cut: bool | None = metric("cut off for safety; only a key on site ends it", fresh_s=FRESH_S)
    circuits: list[Circuit] | None = Field(
        default=None, max_length=16, description="any of the circuits, merged by n"
    )


class Tripped(Event):
    """The breaker of a circuit tripped."""

    sets: ClassVar[dict[str, Value]] = {"tripped": True}
    type: Literal["tripped"]
    circuit: int = Field(ge=1, le=16)


class MainsLost(Event):
    """The mains failed; said with the last of the stored energy."""

    sets: ClassVar[dict[str, Value]] = {"mains_ok": False}
    type: Literal["mains_lost"]


class MainsBack(Event):
    """The mains came back."""

    sets: ClassVar[dict[str, Value]] = {"mains_ok": True}
    type: Literal["mains_back"]


def _own(name: str, type_: ColumnType, *, shown: bool = False) -> Export:
    return Export(role="power", name=name, type=type_, fresh_s=FRESH_S, shown=shown)


def _shows(**wanted: Value) -> Callable[[Mapping[str, Value]], bool]:
    def holds(facts: Mapping[str, Value]) -> bool:
        return all(name in facts and facts[name] == value for name, value in wanted.items())

    return holds


def _command(
    name: str,
    holds: Callable[[Mapping[str, Value]], bool] | None,
    *,
    args: Mapping[str, tuple[int, int]] | None = None,
    only_when_empty: bool = False,
) -> Command:
    part_arg = "circuit" if args and "circuit" in args else None
    return Command(
        name=name, args=args or {}, part_arg=part_arg, holds=holds, only_when_empty=only_when_empty
    )


_COMMANDS = (
    _command("lights_on", _shows(lights=True)),
    _command("lights_off", _shows(lights=False), only_when_empty=True),
    _command("ac_off", _shows(ac_mode="off"), only_when_empty=True),
    _command("ac_cool", _shows(ac_mode="cool"), args={"setpoint_c": SETPOINT_C}),
    _command("ac_heat", _shows(ac_mode="heat"), args={"setpoint_c": SETPOINT_C}),
    # Lights, air conditioning and sockets rest; the next who comes in has light again at once.
    _command("power_down", _shows(lights=False, ac_mode="off"), only_when_empty=True),
    # Everything but the lights, which show the way out; it stays so until somebody turns a key on site.
    _command("cut_power", _shows(cut=True)),
    _command("switch_off", _shows(on=False), args={"circuit": CIRCUITS}),
    # Feeding a circuit again is for a person: no rule may ask for it.
    _command("switch_on", None, args={"circuit": CIRCUITS}),
)

KIND = Kind(
    name="power_switch",
    title_zh="电源控制",
    title_en="Power switch",
    telemetry=PowerTelemetry,
    events={"tripped": Tripped, "mains_lost": MainsLost, "mains_back": MainsBack},
    commands={one.name: one for one in _COMMANDS},
    derived=(MinutesUnchanged("energy_unchanged_min", "energy_kwh"),),
    parts=Parts(name="circuit", field="circuits", model=Circuit),
    exports=(
        _own("mains_ok", "bool"),
        _own("lights", "bool"),
        _own("ac_mode", "str", shown=True),
        _own("ac_setpoint_c", "float"),
        _own("power_w", "float"),
        _own("cut", "bool"),
    ),
    period_s=60,
)
