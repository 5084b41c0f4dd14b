"""When people come: by hour, weekday and season, and shifted on request."""

from __future__ import annotations

import random

import pytest

from device_sim.world import CURVES, HOUR_MS, SWAPS, World

WEDNESDAY_NOON_MS = 1_795_060_800_000 - 1_795_060_800_000 % HOUR_MS


def at_hour(world: World, hour: int) -> int:
    """A moment of that day at this hour of the curve."""
    return next(
        ms
        for ms in range(WEDNESDAY_NOON_MS, WEDNESDAY_NOON_MS + 24 * HOUR_MS, HOUR_MS)
        if int(world.moment(ms).hour) == hour
    )


@pytest.mark.parametrize("curve", [*CURVES.values(), SWAPS])
def test_each_curve_has_24_hours_and_sums_to_about_a_thousand(curve: tuple[int, ...]) -> None:
    assert len(curve) == 24
    assert 950 <= sum(curve) <= 1_060


@pytest.mark.parametrize("name,peak", [("rider", 14), ("sanitation", 5), ("driver", 12), ("day_worker", 12)])
def test_each_occupation_comes_at_its_own_hour(name: str, peak: int) -> None:
    curve = CURVES[name]
    # Sanitation has two peaks, before dawn and before noon.
    assert curve[peak] == max(curve)
    assert SWAPS[12] == max(SWAPS)


def test_riders_swap_at_noon_and_rest_afterwards() -> None:
    world = World(mix={"rider": 1.0})
    noon, two = at_hour(world, 12), at_hour(world, 14)
    assert world.visits_per_hour(two, 10) > 2 * world.visits_per_hour(noon, 10)
    assert world.swaps_per_hour(noon, 10) > 1.5 * world.swaps_per_hour(two, 10)


def test_a_shifted_curve_is_the_same_at_another_time() -> None:
    plain, shifted = World(), World(hour_shift=5)
    for hours in range(24):
        ms = WEDNESDAY_NOON_MS + hours * HOUR_MS
        assert shifted.moment(ms) == plain.moment(ms + 5 * HOUR_MS)


def test_stays_are_mostly_short_and_never_longer_than_an_hour_and_a_half() -> None:
    world, rng = World(), random.Random(1)
    stays = sorted(world.stay_ms(WEDNESDAY_NOON_MS, rng) / 60_000 for _ in range(2_000))
    assert stays[0] >= 1
    assert stays[-1] <= 90
    assert 0.40 <= sum(stay <= 4 for stay in stays) / 2_000 <= 0.50


def test_as_many_come_as_the_curve_says() -> None:
    world, rng = World(), random.Random(2)
    ms, count = WEDNESDAY_NOON_MS, 0
    while ms < WEDNESDAY_NOON_MS + 60 * 24 * HOUR_MS:
        ms = world.next_after(ms, rng, lambda at: world.visits_per_hour(at, 16.0))
        count += 1
    assert 0.85 * 16 <= count / 60 <= 1.2 * 16
