"""Facts that look back, whatever comes in between and in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.derived import Derived, DropPct, HeldMedian, RisePerMinute
from domain.facts import Value


def told(derived: Derived, *samples: tuple[float, Value]) -> Value:
    memory: Any = None
    value: Value = None
    for at_s, sample in samples:
        memory, value = derived.update(memory, sample, round(at_s * 1000))
    return value


RISE = RisePerMinute("rise", "temp_c", over_s=120)
DROP = DropPct("drop", "pack_v", over_s=120)
MEDIAN = HeldMedian("median", "count_raw", over_s=300)


@pytest.mark.parametrize(
    "samples, rise",
    [
        ([(0, 30.0)], None),
        ([(0, 30.0), (2, 60.0)], None),  # two seconds say nothing
        ([(0, 30.0), (3, 36.0)], 120.0),  # 2 °C a second do
        ([(0, 47.0), (5, 47.1)], None),  # the last digit of a sensor
        ([(0, 47.0), (20, 47.1)], 0.3),
        ([(0, 20.0), (10, None), (20, 60.0)], None),  # another battery
        ([(0, 20.0), (10, None), (20, 60.0), (50, 60.5)], 1.0),
        ([(0, 20.0), (130, 40.0)], None),  # the first lies outside the window
    ],
)
def test_a_rise_is_told_when_it_is_one(samples: list[tuple[float, Value]], rise: float | None) -> None:
    assert told(RISE, *samples) == rise


def test_a_drop_is_measured_from_the_highest_and_never_divides_by_nothing() -> None:
    assert told(DROP, (0, 50.0), (30, 52.0), (60, 39.0)) == 25.0
    assert told(DROP, (0, 0.0), (30, 0.0)) is None
    assert told(DROP, (0, 52.0), (10, None), (20, 30.0)) is None
    assert told(DROP, (0, 30.0), (10, 52.0)) == 0.0


def test_a_median_weighs_values_by_how_long_they_were_held() -> None:
    assert told(MEDIAN, (0, 3)) == 3.0
    assert told(MEDIAN, (0, 3), (1000, 90)) == 3.0
    assert told(MEDIAN, (0, 3), (1000, 90), (1010, 3), (1020, 3)) == 3.0
    assert told(MEDIAN, (0, 3), (1000, 90), (1200, 90)) == 90.0
    assert told(MEDIAN, (0, None)) is None
    assert told(MEDIAN, (0, 2), (400, None)) == 2.0


SAMPLES = st.lists(
    st.tuples(st.integers(0, 280), st.floats(-40, 100) | st.none()), max_size=10, unique_by=lambda one: one[0]
)


@given(SAMPLES, st.randoms(use_true_random=False))
@pytest.mark.parametrize("derived", [RISE, MEDIAN], ids=["rise", "median"])
def test_the_newest_sample_in_its_place_decides_in_any_order(
    derived: Derived, samples: list[tuple[int, float | None]], rnd: Any
) -> None:
    if not samples:
        return
    last = max(samples)
    late = [one for one in samples if one != last and one[0] > last[0] - 120]
    in_order = told(derived, *sorted(late), last)
    rnd.shuffle(late)
    assert told(derived, *late, last) == in_order
