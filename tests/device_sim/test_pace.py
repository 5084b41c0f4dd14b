"""A province says no more in a second than it may, and its weather moves people."""

from __future__ import annotations

import random
import threading
from time import perf_counter

import pytest

from device_sim.pace import LONGEST_BEAT_MS, Pace, shared_pace
from device_sim.plan import plan_stations, smart_stations
from device_sim.turnstile import Turnstile
from device_sim.weather import Weather
from device_sim.world import HOUR_MS, World
from tests.device_sim.province import ROWS, province
from tests.device_sim.stand_in import START_MS, plan

CHINA_15_MS = START_MS - START_MS % HOUR_MS + 20 * HOUR_MS


def test_a_small_town_reports_as_often_as_it_likes() -> None:
    pace = shared_pace(plan_stations(ROWS, 40), 1_200)
    assert pace.beat_ms(5_000) == 5_000


def test_twelve_thousand_stations_share_twelve_hundred_messages_a_second() -> None:
    plans = province()
    devices = sum(len(one.devices) for one in plans)
    assert 55_000 <= devices <= 65_000
    pace = shared_pace(plans, 1_200)
    each_s = pace.beat_ms(10_000) / 1000
    assert devices / each_s + devices / 600 <= 1_200
    assert each_s <= 90


def test_a_budget_that_cannot_be_kept_still_keeps_facts_alive() -> None:
    assert shared_pace([plan("door_lock", visits_per_day=500)] * 50, 1).beat_ms(1_000) == LONGEST_BEAT_MS
    assert Pace(500).beat_ms(60_000) == 60_000


def test_eighteen_hundred_smart_stations_are_those_of_the_province() -> None:
    smart = smart_stations(ROWS)
    assert len(smart) == 1_800
    assert all(one.grade == "smart24h" and one.devices for one in smart)
    assert len({one.adcode for one in smart}) == 90


@pytest.mark.parametrize(
    "weather,visits",
    [
        (Weather(39), 1.35),
        (Weather(36), 1.25),
        (Weather(-2), 1.2),
        (Weather(20, rain=True), 1.15),
        (Weather(), 1.0),
    ],
)
def test_heat_frost_and_rain_bring_people(weather: Weather, visits: float) -> None:
    usual, now = World(), World(weather=weather)
    assert now.visits_per_hour(START_MS, 10) == pytest.approx(visits * usual.visits_per_hour(START_MS, 10))


def test_on_a_hot_day_it_is_hottest_at_three_and_people_stay_for_minutes() -> None:
    hot, rng = World(weather=Weather(39)), random.Random(1)
    hottest = max(range(24), key=lambda hour: hot.outside_c(START_MS + hour * HOUR_MS))
    at_ms = START_MS + hottest * HOUR_MS
    assert round(hot.outside_c(at_ms)) == 39
    assert int(hot.moment(at_ms).hour) in (14, 15)
    stays = [hot.stay_ms(at_ms, rng) / 60_000 for _ in range(1_000)]
    assert sum(stay <= 4 for stay in stays) / 1_000 > 0.6
    assert Weather(39).water == 1.6


def test_a_typhoon_keeps_people_at_home() -> None:
    assert Weather(30, typhoon=True).visits < 0.4


def test_a_turnstile_waits_for_a_slow_broker() -> None:
    turnstile = Turnstile(10_000, at_once=2)
    assert turnstile()
    assert turnstile()
    answers: list[bool] = []
    third = threading.Thread(target=lambda: answers.append(turnstile()))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    turnstile.stands()
    third.join(5)
    assert answers == [True]


def test_a_turnstile_lets_so_many_through_in_a_second_and_nobody_when_it_is_closed() -> None:
    turnstile = Turnstile(200)
    began_s = perf_counter()
    assert all(turnstile() for _ in range(21))
    assert perf_counter() - began_s >= 0.095
    slow = Turnstile(0.01)
    assert slow()
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(slow()))
    waiting.start()
    slow.close()
    waiting.join(5)
    assert answers == [False]
