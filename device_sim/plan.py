"""Which stations the simulator plays, and where they stand: pure, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from device_sim.behaviour import behaviours
from device_sim.places import BASIC, BENCH, MORE_NAMES, MORE_ROADS, SMART, SPOTS, Grade, Spot
from device_sim.station_plan import DevicePlan, StationPlan

HOURS: Mapping[Grade, str] = {BASIC: "08:30-17:30", BENCH: "07:00-22:00", SMART: "24/7"}
SEATS: Mapping[Grade, tuple[int, int]] = {BASIC: (4, 8), BENCH: (10, 20), SMART: (6, 14)}
VISITS: Mapping[Grade, tuple[float, float]] = {BASIC: (10, 0.8), BENCH: (45, 0.7), SMART: (16, 0.9)}
"""Mean visits a day, and sigma of their log-normal spread."""
NEAREST_KM, FARTHEST_KM = 0.5, 4.0
KM_PER_DEGREE = 111.32
UNION_PHONE = "12351"
"""The trade unions' service number, the same everywhere in China."""
SHARES: Mapping[Grade, float] = {BASIC: 0.75, BENCH: 0.10, SMART: 0.15}
CABINET_SHARE = 0.2
"""How many of the smart stations have a swap cabinet."""
CROWDED_SHARE, CROWDED = 0.01, (200.0, 500.0)
"""A few smart stations lie in malls and see hundreds a day."""
CABINET = "swap_cabinet"
LABELS: Mapping[str, tuple[str, str]] = {
    "door_lock": ("大门", "Front door"),
    "occupancy_sensor": ("休息室", "Room"),
    "climate_sensor": ("休息室", "Room"),
    "power_switch": ("配电箱", "Power board"),
    "water_dispenser": ("饮水角", "Water corner"),
    CABINET: ("门外换电柜", "Cabinet outside"),
}

Name = TypeVar("Name", bound=str)
Equipment = Literal["all", "by_class"]
"""`all`: every made-up station has devices. `by_class`: the basic ones have hours only, as most have."""


def smart_stations(
    divisions: Iterable[Mapping[str, str]], count: int = 1_800, seed: int = 1
) -> list[StationPlan]:
    """The first `count` stations without staff of a province that is large enough to have so many."""
    province = plan_stations(divisions, max(len(SPOTS), math.ceil(count / SHARES[SMART])), seed)
    smart = [plan for plan in province if plan.grade == SMART and plan.devices]
    return smart[:count]


def plan_stations(
    divisions: Iterable[Mapping[str, str]], count: int = 40, seed: int = 1, equipment: Equipment = "all"
) -> list[StationPlan]:
    """The first `count` stations.

    `divisions` are rows with code, name, city, lat_wgs84, lon_wgs84, stations_of_12000. The first forty
    stations are written down in places.py; more are made up, spread over the counties by size and over
    the grades by their shares: 12,000 are exactly as many in each county as the rows say.
    Raises ValueError when a station's county is not among the rows.
    """
    rows = {row["code"]: row for row in divisions}
    spots: list[Spot] = list(SPOTS[:count])
    if count > len(spots):
        spots += _more(list(rows.values()), count, random.Random(f"{seed}/more"), equipment)
    serial: Counter[str] = Counter()
    plans = []
    for spot in spots:
        row = rows.get(spot.adcode)
        if row is None:
            raise ValueError(f"{spot.name} lies in {spot.adcode}, which is not among the divisions")
        serial[spot.adcode] += 1
        plans.append(_plan(spot, serial[spot.adcode], row, seed))
    return plans


def _plan(spot: Spot, serial: int, row: Mapping[str, str], seed: int) -> StationPlan:
    id_ = f"{spot.adcode}-{serial:04d}"
    rng = random.Random(f"{seed}/plan/{id_}")
    lat, lon = _scatter(float(row["lat_wgs84"]), float(row["lon_wgs84"]), rng)
    house = rng.randint(1, 680)
    return StationPlan(
        id=id_,
        adcode=spot.adcode,
        area=spot.adcode,
        number=f"{serial:03d}",
        name=spot.name,
        name_en=f"{spot.name_en} rest station",
        address=f"{row['city']}{row['name']}{spot.road}{house}号",
        address_en=f"{house} {spot.road_en}",
        grade=spot.grade,
        hours=spot.hours or HOURS[spot.grade],
        night_hours=spot.night_hours,
        capacity=rng.randint(*SEATS[spot.grade]),
        lat=lat,
        lon=lon,
        phone=UNION_PHONE,
        devices=_devices(spot),
        visits_per_day=_visits(spot.grade, rng),
        swaps_per_day=min(80.0, round(25 * rng.lognormvariate(-0.18, 0.6), 1)),
    )


def _visits(grade: Grade, rng: random.Random) -> float:
    mean, sigma = VISITS[grade]
    visits = mean * rng.lognormvariate(-sigma * sigma / 2, sigma)
    if grade == SMART and rng.random() < CROWDED_SHARE:
        visits = rng.uniform(*CROWDED)
    return min(500.0, max(1.0, round(visits, 1)))


def _devices(spot: Spot) -> tuple[DevicePlan, ...]:
    """One device of every kind that can be played; a cabinet only where there is one."""
    if not spot.equipped:
        return ()
    devices = []
    for kind in sorted(behaviours(), key=lambda kind: (kind == CABINET, kind)):
        if kind == CABINET and not spot.slots:
            continue
        label, label_en = LABELS.get(kind, (None, None))
        size = {"slots": spot.slots} if kind == CABINET else {}
        devices.append(DevicePlan(kind=kind, label=label, label_en=label_en, size=size))
    return tuple(devices)


def _scatter(lat: float, lon: float, rng: random.Random) -> tuple[float, float]:
    """A point around a county's seat, denser near it."""
    far_km = math.exp(rng.uniform(math.log(NEAREST_KM), math.log(FARTHEST_KM)))
    bearing = rng.uniform(0, 2 * math.pi)
    north = far_km * math.cos(bearing) / KM_PER_DEGREE
    east = far_km * math.sin(bearing) / (KM_PER_DEGREE * math.cos(math.radians(lat)))
    return round(lat + north, 6), round(lon + east, 6)


def shares(weights: Mapping[Name, float], count: int) -> dict[Name, int]:
    """`count` in whole numbers by weight; what is left over goes to the largest remainders."""
    whole = sum(weights.values())
    exact = {name: weight * count / whole for name, weight in weights.items()}
    given = {name: int(value) for name, value in exact.items()}
    left = count - sum(given.values())
    for name in sorted(exact, key=lambda name: (given[name] - exact[name], name))[:left]:
        given[name] += 1
    return given


def _more(
    rows: Sequence[Mapping[str, str]], count: int, rng: random.Random, equipment: Equipment
) -> list[Spot]:
    """Made-up stations, which together with those written down keep the proportions of the province."""
    there = Counter(spot.adcode for spot in SPOTS)
    wanted = shares({row["code"]: float(row["stations_of_12000"]) for row in rows}, count)
    codes = [code for code, n in wanted.items() for _ in range(n - there[code])]
    rng.shuffle(codes)
    codes = codes[: count - len(SPOTS)]
    grades_there = Counter(spot.grade for spot in SPOTS)
    grades = [grade for grade, n in shares(SHARES, count).items() for _ in range(n - grades_there[grade])]
    rng.shuffle(grades)
    by_code = {row["code"]: row for row in rows}
    taken: Counter[str] = Counter()
    spots = []
    for code, grade in zip(codes, grades, strict=False):
        row = by_code[code]
        place, place_en = rng.choice(MORE_NAMES)
        road, road_en = rng.choice(MORE_ROADS)
        name = f"{row['name']}{road}{place}驿站"
        taken[name] += 1
        if taken[name] > 1:
            name = f"{name}（{taken[name]}）"
        slots = rng.choice((10, 12)) if grade == SMART and rng.random() < CABINET_SHARE else 0
        english = f"{row['code']} {road_en} {place_en} {taken[name.split('（')[0]]}"
        equipped = grade != BASIC or equipment == "all"
        spots.append(Spot(code, name, english, road, road_en, grade, equipped, slots))
    return spots
