"""How much a counter has grown: over its window, over resets, however often it reports."""

from __future__ import annotations

import pytest

from devices.derived import MAX_SAMPLES, GrownBy, Samples
from domain.facts import Value

HOUR = GrownBy("given_1h_l", "dispensed_litres", over_s=3_600)
MINUTE = 60_000


def after(*told: tuple[float, Value]) -> Value:
    """What it says after these (minute, value) reports."""
    memory: Samples | None = None
    grown: Value = None
    for minute, value in told:
        memory, grown = HOUR.update(memory, value, round(minute * MINUTE))
    return grown


def test_one_report_says_nothing_of_growth() -> None:
    assert after((0, 900.0)) is None


def test_growth_is_counted_within_the_window_only() -> None:
    assert after((0, 100.0), (30, 104.0), (50, 105.5)) == 5.5
    assert after((0, 100.0), (30, 104.0), (100, 105.5)) == 1.5


def test_a_counter_that_begins_anew_loses_nothing_and_gains_nothing() -> None:
    assert after((0, 900.0), (10, 905.0), (20, 0.0), (30, 2.0)) == 7.0


def test_null_is_no_report() -> None:
    assert after((0, 900.0), (10, None), (20, 903.0)) == 3.0


def test_a_late_report_takes_its_place() -> None:
    assert after((0, 100.0), (20, 106.0), (10, 103.0)) == after((0, 100.0), (10, 103.0), (20, 106.0)) == 6.0


@pytest.mark.parametrize("period_s", [1, 10, 60])
def test_frequent_reports_are_thinned_and_the_sum_stays(period_s: int) -> None:
    memory: Samples | None = None
    grown: Value = None
    for at in range(0, 7_200, period_s):
        memory, grown = HOUR.update(memory, at / 600, at * 1000)
    assert memory is not None
    assert len(memory) <= MAX_SAMPLES + 1
    assert grown == pytest.approx(6.0, abs=0.4)
