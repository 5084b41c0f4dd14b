"""The quick way to see that a report gives no rule anything to do, without looking at ages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts
from rules.conditions import Condition, ConditionFailed
from rules.rule import CLOCK_FAULT
from rules.rulebook import Rulebook

_NOTHING = Facts()


class _Glance(NamedTuple):
    """A condition, and which of the names that it reads stand in a part (the others are the device's)."""

    code: str
    condition: Condition
    inner: frozenset[str]


class QuietLook:
    """The rules of one rulebook over one kind.

    A condition that is false over all that was ever said is false or unknown over what is fresh enough to
    count, never true: what is left out makes it unknown at most. So a rule with nothing under way has
    nothing to do then.
    """

    def __init__(self, rulebook: Rulebook, kind: Kind) -> None:
        self._own: dict[str, tuple[_Glance, ...]] = {}
        self._inner: dict[str, tuple[_Glance, ...]] = {}
        self._wide: set[str] = set()
        in_parts = set(kind.part_metrics)
        if kind.parts is not None:
            in_parts.update(one.name for one in kind.parts.derived)
        for rule in rulebook.for_kind(kind.name):
            if rule.when is None:
                continue
            inner = frozenset(in_parts.intersection(rule.when.reads)) if rule.in_part else frozenset()
            glance = _Glance(rule.code, rule.when, inner)
            for name in rule.reads:
                if name == CLOCK_FAULT:
                    continue
                if not rule.in_part:
                    self._own[name] = (*self._own.get(name, ()), glance)
                elif name in in_parts:
                    self._inner[name] = (*self._inner.get(name, ()), glance)
                else:
                    # A fact of the device concerns each of its parts: the long way looks at them all.
                    self._wide.add(name)

    def is_quiet(self, state: DeviceState, part: int, names: Iterable[str], now_ms: int) -> bool:
        """True when no rule has anything to do because these facts changed."""
        if state.clock_fault:
            return False
        watch = state.watch
        for entry in watch.values():
            if "r" in entry or "seen" in entry or entry.get("due", now_ms + 1) <= now_ms:
                return False
        own = state.parts[SELF].values
        index, values = self._own, own
        if part != SELF:
            index, values = self._inner, state.parts.get(part, _NOTHING).values
        for name in names:
            if part == SELF and name in self._wide:
                return False
            for code, condition, inner in index.get(name, ()):
                if watch and f"{part}/{code}" in watch:
                    return False
                facts = {}
                for read in condition.reads:
                    value = (values if part == SELF or read in inner else own).get(read)
                    if value is None:
                        return False
                    facts[read] = value
                try:
                    if condition.holds(facts) is not False:
                        return False
                except ConditionFailed:
                    return False
        return True
