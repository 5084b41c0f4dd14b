"""The machine's clocks, as everything else is given them."""

from __future__ import annotations

import datetime

from domain.clock import Clock
from runtime.clock import WallClock


def test_it_tells_milliseconds_since_1970_and_seconds_that_never_go_back() -> None:
    clock: Clock = WallClock()
    before = datetime.datetime.now(datetime.UTC).timestamp() * 1000 - 1
    first, second = clock.monotonic_s(), clock.monotonic_s()

    assert before <= clock.now_ms() <= before + 5_000
    assert first <= second
