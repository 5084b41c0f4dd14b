"""Faults that show only in what a device says: fields that read otherwise while the fault lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from device_sim.fault_kind import Argument, FaultKind
from domain.facts import Value

Fields = Mapping[str, Value]
ANY_SLOT = Argument("number of the slot; without it a charging one", 1, 48)

CABINET: Mapping[str, tuple[str, Fields]] = {
    "mains_lost": ("the cabinet's mains are gone", {"mains_ok": False, "power_w": 0.0}),
    "flooded": ("water stands in the cabinet", {"flooded": True}),
    "service_door": ("the door for service is open", {"service_door": "open"}),
    "estop": ("somebody pressed the emergency stop", {"estop": True}),
    "bay_hot": ("it is 72 °C in the cabinet", {"cabinet_temp_c": 72.0}),
    "out_of_order": ("the cabinet reports a fault of its own", {"status": "fault"}),
}
SLOT: Mapping[str, tuple[str, Fields]] = {
    "slot_door": ("the door of a slot stays open", {"door": "open"}),
    "slot_fault": ("a slot reports that it is out of order", {"state": "fault"}),
    "bms": ("the battery's own protection found a short circuit", {"bms": "short"}),
    "cells_apart": ("the cells of a battery are 620 mV apart", {"cell_delta_mv": 620.0}),
    "worn": ("a battery is at the end of its life", {"soh_pct": 64.0, "cycles": 1240}),
    "charger_hot": ("a charger is at 84 °C", {"charger_temp_c": 84.0}),
    "overcurrent": ("a charger gives 15 A", {"pack_a": 15.0}),
    "never_full": ("a battery charges and never gets full", {"state": "charging", "soc_pct": 81.0}),
    "extinguisher": ("the extinguisher of a slot goes off", {"extinguisher": "fired"}),
    "contradiction": ("a slot says that its empty battery is full", {"state": "full", "soc_pct": 31.0}),
}
DOOR: Mapping[str, tuple[str, Fields]] = {
    "tamper": ("the housing of the lock is opened", {"tamper": True}),
    "mains_lost": ("the lock runs on its battery", {"mains_ok": False}),
    "contradiction": (
        "the lock says locked and the leaf says open", {"bolt": "locked", "leaf": "open", "forced": False},
    ),
}  # fmt: skip
COUNTER: Mapping[str, tuple[str, Fields]] = {
    "contradiction": ("the counter says five and the presence nobody", {"count_raw": 5, "presence": False}),
}


def fault_kinds(
    table: Mapping[str, tuple[str, Fields]], args: Mapping[str, Argument] = MappingProxyType({})
) -> dict[str, FaultKind]:
    """The faults of a table, for a behaviour's FAULTS."""
    return {name: FaultKind(text, args) for name, (text, _) in table.items()}


def said(values: Fields, table: Mapping[str, tuple[str, Fields]], faults: Iterable[str]) -> dict[str, Value]:
    """The fields as they are said while these faults last."""
    wrong = dict(values)
    for name in faults:
        if name in table:
            wrong.update(table[name][1])
    return wrong
