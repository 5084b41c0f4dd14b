"""Which stations the simulator plays, and where they stand: pure, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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


def plan_stations(
    divisions: Iterable[Mapping[str, str]], count: int = 40, seed: int = 1
) -> list[StationPlan]:
    """The first `count` stations.

    `divisions` are rows with code, name, city, lat_wgs84, lon_wgs84, stations_of_12000. The first forty
    stations are written down in places.py; more are made up, spread over the counties by size.
    Raises ValueError when a station's county is not among the rows.
    """
    rows = {row["code"]: row for row in divisions}
    spots: list[Spot] = list(SPOTS[:count])
    if count > len(spots):
        spots += _more(list(rows.values()), count - len(spots), random.Random(f"{seed}/more"))
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
    mean, sigma = VISITS[spot.grade]
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
        visits_per_day=min(500.0, max(1.0, round(mean * rng.lognormvariate(-sigma * sigma / 2, sigma), 1))),
        swaps_per_day=min(80.0, round(25 * rng.lognormvariate(-0.18, 0.6), 1)),
    )


def _devices(spot: Spot) -> tuple[DevicePlan, ...]:
    if not spot.equipped:
        return ()
    devices = [
        DevicePlan(kind="door_lock", label="大门", label_en="Front door"),
        DevicePlan(kind="occupancy_sensor", label="休息室", label_en="Room"),
    ]
    if spot.slots:
        size = {"slots": spot.slots}
        devices.append(
            DevicePlan(kind="swap_cabinet", label="门外换电柜", label_en="Cabinet outside", size=size)
        )
    return tuple(devices)


def _scatter(lat: float, lon: float, rng: random.Random) -> tuple[float, float]:
    """A point around a county's seat, denser near it."""
    far_km = math.exp(rng.uniform(math.log(NEAREST_KM), math.log(FARTHEST_KM)))
    bearing = rng.uniform(0, 2 * math.pi)
    north = far_km * math.cos(bearing) / KM_PER_DEGREE
    east = far_km * math.sin(bearing) / (KM_PER_DEGREE * math.cos(math.radians(lat)))
    return round(lat + north, 6), round(lon + east, 6)


def _more(rows: Sequence[Mapping[str, str]], count: int, rng: random.Random) -> list[Spot]:
    """Made-up stations, in the proportions of the province; a smart one in five has a cabinet."""
    weights = [float(row["stations_of_12000"]) for row in rows]
    taken: Counter[str] = Counter()
    spots = []
    for row in rng.choices(rows, weights, k=count):
        place, place_en = rng.choice(MORE_NAMES)
        road, road_en = rng.choice(MORE_ROADS)
        name = f"{row['name']}{road}{place}驿站"
        taken[name] += 1
        if taken[name] > 1:
            name = f"{name}（{taken[name]}）"
        grade = rng.choices((BASIC, BENCH, SMART), (75, 10, 15))[0]
        slots = rng.choice((10, 12)) if grade == SMART and rng.random() < 0.2 else 0
        english = f"{row['code']} {road_en} {place_en} {taken[name.split('（')[0]]}"
        spots.append(Spot(row["code"], name, english, road, road_en, grade, grade != BASIC, slots))
    return spots
