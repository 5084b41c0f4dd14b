"""Why an alert opened, as it is kept: the values with their ages, and who said them."""

from __future__ import annotations

from typing import Any

from domain.ids import SPEAKER_KIND
from gateway.overlay import Overlay
from rules.effects import OpenAlert


def basis_of(overlay: Overlay, effect: OpenAlert) -> dict[str, Any]:
    """JSON-able. `marks` are (boot_since_ms, seq, at_ms) of a device's own fields; `sources` name the
    device and the age of what a rule over the whole station saw."""
    basis = effect.basis
    body: dict[str, Any] = {
        "cause": basis.cause,
        "pending_ms": basis.pending_ms,
        "held_by": list(basis.held_by),
        "marks": {name: list(mark) for name, mark in basis.marks.items() if mark is not None},
    }
    if effect.device.kind == SPEAKER_KIND:
        body["sources"] = _sources(overlay, effect)
    return body


def _sources(overlay: Overlay, effect: OpenAlert) -> dict[str, list[Any]]:
    record = overlay.fleet.stations.get(effect.device.station)
    if record is None:
        return {}
    facts = overlay.facts.get(record.id, record.facts)
    found: dict[str, list[Any]] = {}
    for member in record.members:
        for export in member.kind.exports:
            name = export.fact
            fact = facts.get(member.device.short, {}).get(export.name)
            seen = fact is not None and name in effect.values and fact.value == effect.values[name]
            if fact is not None and seen and name not in found:
                found[name] = [member.device.short, fact.as_of_ms]
    return found
