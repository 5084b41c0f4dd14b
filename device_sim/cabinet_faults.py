"""What can go wrong with a simulated cabinet."""

from __future__ import annotations

from collections.abc import Mapping

from device_sim.fault_kind import Argument, FaultKind
from device_sim.wrong_words import ANY_SLOT, CABINET, SLOT, fault_kinds

FAULTS: Mapping[str, FaultKind] = {
    "overheat": FaultKind(
        "a rider leaves a hot battery, which stays hot until its charger stops",
        {
            "slot": ANY_SLOT,
            "temp_c": Argument("how hot it gets; without it 62 to 68", 45, 74),
            "rise_s": Argument("the battery that is there gets hot, within so many seconds", 1, 86_400),
        },
    ),
    "runaway": FaultKind("a battery burns: smoke, then silence from its slot", {"slot": ANY_SLOT}),
    "smoke": FaultKind("the smoke sensor answers"),
    "slot_silent": FaultKind("one slot is left out of every report", {"slot": ANY_SLOT}),
    "dead": FaultKind("the cabinet says nothing"),
    **fault_kinds(CABINET),
    **fault_kinds(SLOT, {"slot": ANY_SLOT}),
}
