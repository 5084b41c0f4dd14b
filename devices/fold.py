"""Take one message into a device's state: newer fields replace older ones, derived facts follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from devices.derived import Derived
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts, Mark, Value

Fields = Mapping[str, Value]
FOREVER_MS = 2**62


class Changes(NamedTuple):
    """`changed`: part and the names whose value changed. `stale`: part and the fields as sent, where at
    least one of them was older than what was known (safety rules look at those by themselves)."""

    changed: list[tuple[int, list[str]]]
    stale: list[tuple[int, Fields]]


def apply(
    kind: Kind,
    state: DeviceState,
    origin: DeviceState | None,
    fields: Fields,
    parts: Mapping[int, Fields],
    mark: Mark,
) -> Changes:
    """Fold one message into `state`, which may share unchanged parts with `origin`.

    The result does not depend on the order in which messages arrive, within what derived facts remember.
    """
    changes = Changes([], [])
    if fields:
        _fold_part(kind.derived, state, origin, SELF, fields, mark, changes)
    if parts:
        derived = kind.parts.derived if kind.parts else ()
        for n, inner in parts.items():
            _fold_part(derived, state, origin, n, inner, mark, changes)
    return changes


def _fold_part(
    derived: tuple[Derived, ...],
    state: DeviceState,
    origin: DeviceState | None,
    part: int,
    fields: Fields,
    mark: Mark,
    changes: Changes,
) -> None:
    facts = state.part_for_change(part, origin)
    if part == SELF:
        for one in derived:
            if one.source in fields:
                _remember_repeats(one, facts)
    changed, stale = facts.fold(fields, mark)
    for one in derived:
        if one.source in fields:
            memory, value = one.update(facts.memory.get(one.name), fields[one.source], mark.at_ms)
            facts.memory[one.name] = memory
            if facts.values.get(one.name) != value or one.name not in facts.values:
                facts.values[one.name] = value
                changed.append(one.name)
    if changed:
        changes.changed.append((part, changed))
    if stale:
        changes.stale.append((part, fields))


def _remember_repeats(one: Derived, facts: Facts) -> None:
    """What was said again without being folded in is told to a fact that looks back before it goes on.

    Only what a device says of itself is ever passed over so.
    """
    memory, known = facts.memory.get(one.name), facts.mark(one.source)
    if not memory or known is None or known.at_ms <= memory[-1][0]:
        return
    facts.memory[one.name], _ = one.update(memory, facts.values[one.source], known.at_ms)


def same_until_ms(derived: tuple[Derived, ...], facts: Facts, fields: Fields, mark: Mark) -> int:
    """Until when (device time) it changes nothing that `fields` are said as they are known; 0 when they
    are not known so, or when facts that look back must hear of it now."""
    if not facts.knows(fields, mark):
        return 0
    until_ms = FOREVER_MS
    for one in derived:
        if one.source in fields:
            memory = facts.memory.get(one.name)
            until_ms = min(until_ms, one.steady_until_ms(memory) if memory else 0)
    return until_ms if mark.at_ms < until_ms else 0


def say_again(
    derived: tuple[Derived, ...], state: DeviceState, part: int, fields: Fields, mark: Mark
) -> list[str]:
    """Take in fields of a part that are as they were, in their order: only ages move, and what looks back.

    Returns the names of derived facts whose value changed.
    """
    facts = state.parts[part]
    facts.age(fields, mark)
    changed = []
    for one in derived:
        if one.source in fields:
            name = one.name
            facts.memory[name], value = one.update(facts.memory.get(name), fields[one.source], mark.at_ms)
            if facts.values.get(name) != value:
                facts.values[name] = value
                changed.append(name)
    return changed
