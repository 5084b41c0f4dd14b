"""What a device tells of its station grows old, and is told anew by reports that say the same."""

from __future__ import annotations

from bisect import bisect_left

from domain.facts import StationFact
from rules.station_facts import DeviceFacts, half_life_ms
from rules.track import Track


def told_on(told: DeviceFacts, track: Track, begin: int, end: int) -> tuple[DeviceFacts, int]:
    """What is told after the reports from `begin` on, before `end`, none of which changes a value.

    As in the gateway, it is renewed when less than half of its validity is left. Returns, too, before which
    report it ends: one that would come when something has expired already must be looked at.
    """
    if not told:
        return told, end
    at_ms, received_ms = track.at_ms, track.received_ms
    half_ms, ends_ms = half_life_ms(told), min(one.valid_until_ms for one in told.values())
    shortest_ms = min(one.valid_until_ms - one.as_of_ms for one in told.values())
    renewed_ms: int | None = None
    at = begin
    while (at := bisect_left(at_ms, half_ms, at, end)) < end:
        if received_ms[at] >= ends_ms:
            end = at
            break
        renewed_ms = at_ms[at]
        half_ms, ends_ms = renewed_ms + shortest_ms // 2, renewed_ms + shortest_ms
    if renewed_ms is None:
        return told, end
    return {
        name: StationFact(one.value, renewed_ms, renewed_ms + one.valid_until_ms - one.as_of_ms)
        for name, one in told.items()
    }, end
