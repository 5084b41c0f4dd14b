"""How far a device's clock is from the hub's, and which time a message counts under."""

from __future__ import annotations

from typing import NamedTuple

TOLERANCE_MS = 5 * 60_000
LATEST_MS = 30 * 86_400_000
PROMPT_MS = 4 * 60_000
"""What is older than this on its arrival is late."""


class Timing(NamedTuple):
    """`at_ms` is when the content was true; `late` if it waited; `fault` if the clock cannot be used."""

    at_ms: int
    fault: bool


def least_offset(known_ms: int | None, ts_ms: int | None, received_ms: int) -> int | None:
    """The least of `received - ts` over the messages of one boot: the delay-free estimate.

    One message from the future does not spoil a clock that was right, and a clock that was set right
    is believed again.
    """
    if ts_ms is None:
        return known_ms
    offset_ms = received_ms - ts_ms
    if known_ms is None:
        return offset_ms
    if (known_ms < -TOLERANCE_MS) != (offset_ms < -TOLERANCE_MS):
        return max(known_ms, offset_ms)
    return min(known_ms, offset_ms)


def near_time(ts_ms: int, received_ms: int, offset_ms: int | None) -> tuple[int, int] | None:
    """When a message of a clock that is right was true, and the offset with it: what `least_offset` and
    `time_of` say of it. None where those must decide."""
    delay_ms = received_ms - ts_ms
    if offset_ms is None or not (
        -TOLERANCE_MS <= offset_ms <= TOLERANCE_MS and -TOLERANCE_MS <= delay_ms <= LATEST_MS
    ):
        return None
    if delay_ms < offset_ms:
        offset_ms = delay_ms
    at_ms = ts_ms + offset_ms if offset_ms < 0 else ts_ms
    return (min(received_ms, at_ms)), offset_ms


def time_of(ts_ms: int | None, received_ms: int, offset_ms: int | None, caught_up: bool) -> Timing:
    """Decide which time counts.

    No clock: hub time, no fault. Within 5 minutes: the device's time, an old message is simply late.
    Otherwise hub time and a fault; but an old time is believed until the lane has caught up, since
    a backlog looks the same as a slow clock. Nothing is late by more than a month.
    """
    if ts_ms is None or offset_ms is None:
        return Timing(received_ms, False)
    delay_ms = received_ms - ts_ms
    if offset_ms < -TOLERANCE_MS or delay_ms < -TOLERANCE_MS or delay_ms > LATEST_MS:
        return Timing(received_ms, True)
    if offset_ms > TOLERANCE_MS:
        if caught_up:
            return Timing(received_ms, True)
        return Timing(ts_ms, False)
    return Timing(min(received_ms, ts_ms + min(offset_ms, 0)), False)
