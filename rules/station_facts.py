"""What the devices of a station say of their station, and when the rules over it must look again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from devices.kind import Kind
from devices.state import DeviceState
from domain.facts import StationFact, Value
from domain.ids import DeviceId

DeviceFacts = dict[str, StationFact]


class Member(Protocol):
    """A device of a station, and its kind."""

    @property
    def device(self) -> DeviceId: ...
    @property
    def kind(self) -> Kind: ...


def facts_of(kind: Kind, state: DeviceState, now_ms: int) -> DeviceFacts:
    """All that a device exports, as of when, and until when it counts."""
    facts: DeviceFacts = {}
    for export in kind.exports:
        told = export.tell(state, now_ms)
        if told is not None:
            value, as_of_ms = told
            facts[export.name] = StationFact(value, as_of_ms, as_of_ms + export.fresh_ms)
    return facts


def differ(kind: Kind, known: DeviceFacts, facts: DeviceFacts) -> tuple[bool, bool]:
    """Whether any value differs, and whether one does that is shown."""
    moved = False
    for export in kind.exports:
        old, new = known.get(export.name), facts.get(export.name)
        if (old is None) != (new is None) or (old is not None and new is not None and old.value != new.value):
            moved = True
            if export.shown:
                return True, True
    return moved, False


def wants_renewal(known: DeviceFacts, facts: DeviceFacts) -> bool:
    """True when less than half of the validity of a known fact was left as the new one was told.

    Only by device time, so that a backlog does not make every report news; and only a fact that became
    younger counts, since some stand in full reports alone.
    """
    for name, fact in facts.items():
        old = known.get(name)
        if old is None or 2 * fact.as_of_ms >= old.as_of_ms + old.valid_until_ms:
            return True
    return False


def half_life_ms(facts: DeviceFacts) -> int:
    """When less than half of the shortest validity is left, by the facts' own times."""
    return min([as_of_ms + until_ms for _, as_of_ms, until_ms in facts.values()], default=2**63) // 2


def by_role(members: Iterable[Member], facts: Mapping[str, DeviceFacts], now_ms: int) -> dict[str, Value]:
    """`door.leaf`, `occupancy.people`, …: what is still valid, of the first device that plays the role."""
    found: dict[str, Value] = {}
    for member in members:
        own = facts.get(member.device.short)
        if own is None:
            continue
        for export in member.kind.exports:
            fact = own.get(export.name)
            name = export.fact
            if (
                fact is not None
                and fact.value is not None
                and now_ms < fact.valid_until_ms
                and name not in found
            ):
                found[name] = fact.value
    return found
