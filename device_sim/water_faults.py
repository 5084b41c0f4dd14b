"""What can go wrong with a simulated water dispenser."""

from __future__ import annotations

from collections.abc import Mapping

from device_sim.fault_kind import Argument, FaultKind
from domain.facts import Value

ANY_FILTER = Argument("number of the cartridge", 1, 3, 1)

WRONG: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "float_stuck": ("the float of the tank hangs", {"float_ok": False}),
    "uv_dead": ("the ultraviolet lamp is dark", {"uv_on": False}),
    "uv_old": ("the ultraviolet lamp is at the end of its life", {"uv_hours": 8_050.0}),
    "hot_inlet": ("the water that comes in is too warm", {"inlet_temp_c": 42.0}),
    "not_sanitised": ("the tank was not disinfected for long", {"sanitised_days": 104.0}),
    "out_of_order": ("the machine reports a fault of its own", {"state": "fault", "fault_code": "E07"}),
}
"""Faults that show only in what it says."""

FAULTS: Mapping[str, FaultKind] = {
    "leak": FaultKind("water stands on the floor under it"),
    "seep": FaultKind("water runs through a cracked hose where no sensor is"),
    "no_inflow": FaultKind("no water comes from the pipe"),
    "high_pressure": FaultKind("the pipe's pressure is too high"),
    "no_heat": FaultKind("the heater is fed and does not heat"),
    "dry_burn": FaultKind("the float hangs, the tank is dry, and the heater's relay is welded"),
    "bad_water": FaultKind(
        "the membrane is torn: what goes out is hardly cleaner than what comes in",
        {"tds": Argument("dissolved solids going out, mg/L", 1, 5_000, 160)},
    ),
    "worn_membrane": FaultKind("the membrane lets a quarter through"),
    "tds_wild": FaultKind("the probe says nonsense every now and then"),
    "tds_stuck": FaultKind("the probe says the same for ever"),
    "filter_due": FaultKind("a cartridge is near its end", {"filter": ANY_FILTER}),
    "filter_expired": FaultKind(
        "a cartridge is past its end",
        {"filter": ANY_FILTER, "days": Argument("for how long", 0, 3_650, 3)},
    ),
    "stuck_tap": FaultKind("a tap stays open"),
    "no_flow": FaultKind("the pump is dead: taps are asked and give nothing"),
    **{name: FaultKind(text) for name, (text, _) in WRONG.items()},
    "silent": FaultKind("the dispenser says nothing"),
}
