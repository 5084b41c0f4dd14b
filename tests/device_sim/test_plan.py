"""The stations that are played: forty written down, any number made up, all of them in Zhejiang."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from device_sim.behaviour import behaviours
from device_sim.plan import FARTHEST_KM, KM_PER_DEGREE, NEAREST_KM, plan_stations
from device_sim.room import OpenSpan, open_span
from domain.ids import is_station_id
from tests.device_sim.province import ROWS, province

SEATS = {row["code"]: (float(row["lat_wgs84"]), float(row["lon_wgs84"])) for row in ROWS}


def test_forty_stations_ten_of_them_in_jiaojiang_eight_without_devices() -> None:
    plans = plan_stations(ROWS)
    assert len(plans) == 40
    jiaojiang = [plan for plan in plans if plan.adcode == "331002"]
    assert len(jiaojiang) == 10
    assert all("swap_cabinet" in {device.kind for device in plan.devices} for plan in jiaojiang)
    without = [plan for plan in plans if not plan.devices]
    assert len(without) == 8
    assert all(plan.hours for plan in without)
    equipped = [plan for plan in plans if plan.devices]
    assert all(
        {"door_lock", "occupancy_sensor"} <= {device.kind for device in plan.devices} for plan in equipped
    )


@pytest.mark.parametrize("count", [1, 40, 1_000])
def test_names_and_ids_are_distinct_and_every_kind_can_be_played(count: int) -> None:
    plans = plan_stations(ROWS, count)
    assert len(plans) == count
    for field in ("id", "name", "name_en"):
        assert max(Counter(getattr(plan, field) for plan in plans).values()) == 1
    assert all(is_station_id(plan.id) and plan.id.startswith(plan.adcode) for plan in plans)
    assert {device.kind for plan in plans for device in plan.devices} <= set(behaviours())


def test_stations_stand_near_the_seat_of_their_county() -> None:
    for plan in plan_stations(ROWS, 200):
        lat, lon = SEATS[plan.adcode]
        north = (plan.lat - lat) * KM_PER_DEGREE
        east = (plan.lon - lon) * KM_PER_DEGREE * math.cos(math.radians(lat))
        assert NEAREST_KM - 0.01 <= math.hypot(north, east) <= FARTHEST_KM + 0.01


def test_the_same_seed_plans_the_same_and_another_one_other_places() -> None:
    assert plan_stations(ROWS, 60, 3) == plan_stations(ROWS, 60, 3)
    assert plan_stations(ROWS, 60, 3) != plan_stations(ROWS, 60, 4)
    assert plan_stations(ROWS, 60, 3)[:40] == plan_stations(ROWS, 40, 3)


def test_a_province_of_12_000_has_the_visits_of_the_real_one() -> None:
    plans = province()
    assert 12.4 <= sum(plan.visits_per_day for plan in plans) / len(plans) <= 17.8
    shares = Counter(plan.grade for plan in plans)
    assert 0.13 <= shares["smart24h"] / 12_000 <= 0.17


def test_a_province_of_12_000_has_each_county_and_each_class_exactly() -> None:
    plans = province()
    counties = Counter(plan.adcode for plan in plans)
    assert counties == {row["code"]: int(row["stations_of_12000"]) for row in ROWS}
    assert len(counties) == 90
    assert Counter(plan.grade for plan in plans) == {"basic": 9_000, "benchmark": 1_200, "smart24h": 1_800}
    hours = {plan.grade: plan.hours for plan in plans[40:]}
    assert hours == {"basic": "08:30-17:30", "benchmark": "07:00-22:00", "smart24h": "24/7"}
    cabinets = sum(any(d.kind == "swap_cabinet" for d in plan.devices) for plan in plans[40:])
    assert 0.15 <= cabinets / 1_800 <= 0.25


def test_basic_stations_may_have_opening_hours_only() -> None:
    plans = plan_stations(ROWS, 1_000, equipment="by_class")
    assert not any(plan.devices for plan in plans if plan.grade == "basic")
    assert all(plan.devices for plan in plans if plan.grade != "basic")


def test_few_stations_are_crowded_and_most_are_quiet() -> None:
    smart = sorted(plan.visits_per_day for plan in province() if plan.grade == "smart24h")
    assert smart[0] >= 1
    assert smart[len(smart) // 2] < 16
    assert 200 <= smart[-1] <= 500


def test_a_county_that_is_not_in_the_table_is_named() -> None:
    with pytest.raises(ValueError, match="331002"):
        plan_stations([], 1)


@pytest.mark.parametrize(
    "hours,span",
    [
        ("24/7", OpenSpan(0, 24)),
        ("08:30-17:30", OpenSpan(8.5, 17.5)),
        ("Mo-Su 22:00-06:00", OpenSpan(22, 6)),
    ],
)
def test_opening_hours_are_read(hours: str, span: OpenSpan) -> None:
    assert open_span(hours) == span
    assert OpenSpan(22, 6).holds(23.5)
    assert OpenSpan(22, 6).holds(5)
    assert not OpenSpan(22, 6).holds(12)
