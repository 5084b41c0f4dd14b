"""When a message was true: the short reckoning says what the long one says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.clock_offset import LATEST_MS, TOLERANCE_MS, least_offset, near_time, time_of

NOW_MS = 1_790_000_000_000
OFFSETS = st.none() | st.integers(-2 * TOLERANCE_MS, 2 * TOLERANCE_MS)
DELAYS = st.integers(-2 * TOLERANCE_MS, 2 * TOLERANCE_MS) | st.integers(0, 2 * LATEST_MS)


@given(offset_ms=OFFSETS, delay_ms=DELAYS, caught_up=st.booleans())
def test_the_short_reckoning_equals_the_long_one_wherever_it_answers(
    offset_ms: int | None, delay_ms: int, caught_up: bool
) -> None:
    ts_ms = NOW_MS - delay_ms
    short = near_time(ts_ms, NOW_MS, offset_ms)
    if short is not None:
        least = least_offset(offset_ms, ts_ms, NOW_MS)
        assert short == (time_of(ts_ms, NOW_MS, least, caught_up).at_ms, least)
        assert not time_of(ts_ms, NOW_MS, least, caught_up).fault


@given(offset_ms=st.integers(-TOLERANCE_MS, TOLERANCE_MS), delay_ms=st.integers(0, LATEST_MS))
def test_a_clock_that_is_right_is_reckoned_the_short_way(offset_ms: int, delay_ms: int) -> None:
    assert near_time(NOW_MS - delay_ms, NOW_MS, offset_ms) is not None
