"""Bounds within which reports may move while no rule can have anything to do: most stay there for hours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from devices.state import SELF
from domain.facts import Value

FOREVER_MS: Final = 2**62


@dataclass(slots=True)
class Limits:
    """What the fields of a device or part must hold: numbers within their bounds, others as they were."""

    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    known: Mapping[str, Value] = field(default_factory=dict)
    """Fields that were found within the limits last: equal ones are often one object."""

    def span(self, name: str, low: float, high: float) -> None:
        """Keep a number from `low` to `high`, too."""
        old_low, old_high = self.spans.get(name, (-math.inf, math.inf))
        self.spans[name] = max(old_low, low), min(old_high, high)

    def hold(self, fields: Mapping[str, Value]) -> bool:
        """True when these fields, the same ones as before, lie within the limits."""
        if fields is self.known:
            return True
        if fields.keys() != self.known.keys():
            return False
        for name, (low, high) in self.spans.items():
            value = fields[name]
            if value is None or not low <= value <= high:  # type: ignore[operator]
                return False
        for name, fixed in self.fixed.items():
            if fields[name] != fixed:
                return False
        self.known = fields
        return True


@dataclass(slots=True)
class SafeBox:
    """Limits of a device and each of its parts, and until when (device time) they say something."""

    parts: dict[int, Limits]
    at_ms: int
    until_ms: int = FOREVER_MS

    def holds(
        self, at_ms: int, fields: Mapping[str, Value], parts: Mapping[int, Mapping[str, Value]]
    ) -> bool:
        """True when a newer report lies within, so that no rule has anything to do because of it."""
        if not self.at_ms < at_ms < self.until_ms or len(parts) + 1 != len(self.parts):
            return False
        of = self.parts
        if not of[SELF].hold(fields):
            return False
        for n, inner in parts.items():
            limits = of.get(n)
            if limits is None or (inner is not limits.known and not limits.hold(inner)):
                return False
        self.at_ms = at_ms
        return True
