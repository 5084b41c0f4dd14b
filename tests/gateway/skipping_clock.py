"""A clock whose hands can be moved on, for hub and devices together; seconds for sockets stay real."""

from __future__ import annotations

from runtime.clock import WallClock
from storage.inflow import Inflow
from storage.series_outbox import Outbox
from tests.gateway.house import Box, House
from transport.loop import MqttLoop


class SkippingClock:
    """Satisfies domain.clock.Clock."""

    def __init__(self) -> None:
        self._wall = WallClock()
        self.skipped_ms = 0

    def now_ms(self) -> int:
        return self._wall.now_ms() + self.skipped_ms

    def monotonic_s(self) -> float:
        return self._wall.monotonic_s()

    def skip(self, minutes: float) -> None:
        """Let this much time have passed."""
        self.skipped_ms += round(minutes * 60_000)


def skip_along(house: House, loop: MqttLoop, series: Inflow | None = None) -> tuple[SkippingClock, Box]:
    """A gateway that lives by such a clock, and a box that is online."""
    house.clock = clock = SkippingClock()
    house.gateway(series or Outbox())
    box = Box(house, loop)
    box.online()
    return clock, box
