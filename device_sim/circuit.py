"""One circuit of a simulated power switch: what it feeds, its relay, its breaker, its terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from domain.facts import Value

Use = Literal["lights", "ac", "sockets", "water", "other"]

TERMINAL_MS = 10 * 60_000
HOT_TERMINAL_C = 60.0
"""How much hotter than its load explains a loose terminal gets."""


@dataclass(slots=True)
class Circuit:
    """`load_w` is what its appliances draw when they are fed."""

    n: int
    use: Use
    rated_a: float
    on: bool = True
    tripped: bool = False
    welded: bool = False
    loose: bool = False
    overload_a: float = 0.0
    load_w: float = 0.0
    terminal_c: float = 25.0

    @property
    def fed(self) -> bool:
        """A welded relay feeds whatever it was told."""
        return (self.on or self.welded) and not self.tripped

    def current_a(self, voltage_v: float) -> float:
        """What flows."""
        if not self.fed or voltage_v < 50:
            return 0.0
        return self.load_w / voltage_v + self.overload_a

    def pass_time(self, dt_ms: int, voltage_v: float, air_c: float) -> None:
        """The terminal warms with the square of the current."""
        share = self.current_a(voltage_v) / self.rated_a
        wanted_c = air_c + 25.0 * share * share
        if self.loose and share > 0:
            wanted_c += HOT_TERMINAL_C
        self.terminal_c += (wanted_c - self.terminal_c) * (1 - math.exp(-dt_ms / TERMINAL_MS))

    def values(self, voltage_v: float) -> dict[str, Value]:
        """What is reported of it."""
        current_a = self.current_a(voltage_v)
        return {
            "use": self.use,
            "on": self.on,
            "tripped": self.tripped,
            "power_w": float(round(current_a * voltage_v)),
            "current_a": round(current_a, 1),
            "rated_a": self.rated_a,
            "terminal_c": float(round(self.terminal_c)),
        }
