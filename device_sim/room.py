"""The people in one station's room: who comes, who stays how long, and who wants to go out."""

from __future__ import annotations

import heapq
import random
import re
from dataclasses import dataclass, field
from typing import Literal

from device_sim.house import House
from device_sim.world import HOUR_MS, World

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """Daily opening in hours; people do not come outside it. `24/7` is 0 to 24."""

    opens_h: float = 0.0
    closes_h: float = 24.0

    def holds(self, hour: float) -> bool:
        """True while the station is open; a span may go past midnight."""
        if self.opens_h <= self.closes_h:
            return self.opens_h <= hour < self.closes_h
        return hour >= self.opens_h or hour < self.closes_h


def open_span(hours: str) -> OpenSpan:
    """The first span of an OSM opening_hours text: enough to know when people come."""
    found = _SPAN.search(hours)
    if found is None:
        return OpenSpan()
    from_h, from_min, to_h, to_min = (int(part) for part in found.groups())
    return OpenSpan(from_h + from_min / 60, to_h + to_min / 60)


@dataclass(slots=True)
class Room:
    """Nobody walks through a closed door: `due` says who wants to, `enter` and `leave` say who did.

    `gated` is set when a door decides; otherwise whoever counts people moves them.
    """

    rng: random.Random
    world: World
    visits_per_day: float
    span: OpenSpan = field(default_factory=OpenSpan)
    capacity: int = 8
    gated: bool = False
    in_total: int = 0
    out_total: int = 0
    _arrival_ms: int = 0
    _leaving_ms: list[int] = field(default_factory=list)

    def begin(self, now_ms: int) -> None:
        """Start with the people whom one would find there at this hour."""
        expected = self._rate(now_ms) * 0.25
        for _ in range(min(self.capacity, int(expected + self.rng.random()))):
            heapq.heappush(self._leaving_ms, now_ms + self.world.stay_ms(now_ms, self.rng))
            self.in_total += 1
        self._arrival_ms = self._next_arrival(now_ms)

    @property
    def inside(self) -> int:
        """How many people are in the room."""
        return self.in_total - self.out_total

    def next_ms(self) -> int:
        """When somebody next wants to come or go."""
        return min(self._arrival_ms, self._leaving_ms[0]) if self._leaving_ms else self._arrival_ms

    def due(self, now_ms: int) -> Literal["in", "out"] | None:
        """Somebody who wants to come in or go out now; ask until there is nobody."""
        if self._leaving_ms and self._leaving_ms[0] <= now_ms:
            heapq.heappop(self._leaving_ms)
            return "out"
        while self._arrival_ms <= now_ms:
            self._arrival_ms = self._next_arrival(max(self._arrival_ms + 1, now_ms - HOUR_MS))
            if self.inside < self.capacity + 2:
                return "in"
        return None

    def enter(self, now_ms: int) -> None:
        """Somebody came in."""
        self.in_total += 1
        heapq.heappush(self._leaving_ms, now_ms + self.world.stay_ms(now_ms, self.rng))

    def leave(self) -> None:
        """Somebody went out."""
        if self.inside > 0:
            self.out_total += 1

    def _rate(self, now_ms: int) -> float:
        hour = self.world.moment(now_ms).hour
        return self.world.visits_per_hour(now_ms, self.visits_per_day) if self.span.holds(hour) else 0.0

    def _next_arrival(self, now_ms: int) -> int:
        return self.world.next_after(now_ms, self.rng, self._rate)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device stands."""

    world: World
    room: Room
    swaps_per_day: float = 25.0
    house: House = field(default_factory=House)
