"""How often devices report when many of them share what a hub is to hear in a second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from device_sim.station_plan import StationPlan

FULL_REPORT_MS = 600_000
LONGEST_BEAT_MS = 170_000
"""Some facts are unknown after three minutes, however many devices there are."""
MESSAGES_A_VISIT = 19
"""A door says four events and their changes each way, a counter one number each way."""
BUSIEST_HOUR = 2.0
"""How much more than the mean of a day its busiest hours bring."""
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Pace:
    """No periodic report sooner than `least_beat_ms` after the last, everything every `full_ms`."""

    least_beat_ms: int = 0
    full_ms: int = FULL_REPORT_MS

    def beat_ms(self, own_ms: int) -> int:
        """The period of a device that would by itself report every `own_ms`."""
        return max(own_ms, self.least_beat_ms)

    def some_full_ms(self, now_ms: int, beat_ms: int, beat_every_ms: int) -> int:
        """When a full report is due, as far into the rhythm of those as `beat_ms` is into its own."""
        return now_ms + (beat_ms - now_ms) * self.full_ms // beat_every_ms


OWN_PACE = Pace()
"""Every device as often as it would by itself."""


def in_rhythm_ms(due_ms: int, now_ms: int, every_ms: int) -> int:
    """The first moment after `now_ms` that is some periods away from `due_ms`.

    Whoever counted from the moment when somebody looked would stay together for ever with all who were
    once looked at late, or connected with them.
    """
    return now_ms + every_ms - (now_ms - due_ms) % every_ms


def shared_pace(plans: Iterable[StationPlan], messages_per_s: float) -> Pace:
    """The pace at which all devices together say at most so many messages a second at busy hours.

    Full reports, visits and swaps come first; the rest is shared equally. A small town is not slowed down.
    """
    devices = 0
    visits = 0.0
    for plan in plans:
        devices += len(plan.devices)
        if plan.devices:
            visits += plan.visits_per_day
    events_per_s = visits * MESSAGES_A_VISIT * BUSIEST_HOUR / DAY_S
    left = messages_per_s - events_per_s - devices * 1000 / FULL_REPORT_MS
    if left <= 0:
        return Pace(LONGEST_BEAT_MS)
    return Pace(min(LONGEST_BEAT_MS, round(devices / left * 1000)))
