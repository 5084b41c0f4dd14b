"""A silence is told of when it has come about, and never for who was heard while its deadline ran."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from device_sim.injections import Injection
from device_sim.scenario import Scenario, WeatherPage
from runtime.first_rulebook import SHIPPED
from runtime.simulated_week import Lived, SimulatedWeek
from storage.tables import alert
from tests.device_sim.stand_in import plan
from tests.gateway.near_house import DOOR, NearHouse

pytestmark = pytest.mark.integration

HERE = "331002-0001"
KINDS = ("door_lock", "occupancy_sensor", "climate_sensor")
HOUR_S = 3_600.0
QUIET = frozenset({"door_offline", "occupancy_offline", "climate_offline", "station_offline"})


def open_codes(connection: Connection) -> set[str]:
    wanted = sa.select(alert.c.code).where(alert.c.station == DOOR.station, alert.c.resolved_ms.is_(None))
    return set(connection.scalars(wanted))


def hours(count: float, *injections: Injection, stations: tuple[str, ...] = (HERE,)) -> Lived:
    """Some hours of stations that nobody visits."""
    scenario = Scenario(
        title="silence", begins=date(2026, 4, 14), days=1, stations=1,
        weather=WeatherPage(hottest_c=18), faults=(),
    )  # fmt: skip
    town = [plan(*KINDS, id=station, hours="24/7", visits_per_day=0) for station in stations]
    with SimulatedWeek(scenario, town, injections, SHIPPED.read_text(encoding="utf-8")) as week:
        return week.live(count / 24)


def test_devices_that_speak_just_often_enough_are_never_called_silent() -> None:
    lived = hours(6)
    assert not QUIET & {one.code for one in lived.raised}
    assert lived.messages > 100


@pytest.mark.parametrize(
    ("device", "code", "limit_s"),
    [("door_lock/1", "door_offline", 300), ("climate_sensor/1", "climate_offline", 600)],
)
def test_one_that_falls_silent_is_told_of_once_when_its_time_is_up(
    device: str, code: str, limit_s: float
) -> None:
    broken_s = 2 * HOUR_S
    lived = hours(4, Injection(0, 1, HERE, device, "silent", broken_s, 4 * HOUR_S))
    (told,) = [one for one in lived.raised if one.code in QUIET]
    assert (told.device, told.code) == (device, code)
    # It was last heard at most a minute before, and the gateway looks every ten seconds.
    assert limit_s - 70 <= told.at_s - broken_s <= limit_s + 70


def test_nobody_is_called_silent_because_something_there_was_mended() -> None:
    """Each station in a rhythm of its own, so that some are due just when the closer look at them ends."""
    stations = tuple(f"331002-{n:04d}" for n in range(1, 21))
    jams = (
        Injection(n, 1, station, "door_lock/1", "jammed", HOUR_S, HOUR_S + 600)
        for n, station in enumerate(stations)
    )
    lived = hours(2, *jams, stations=stations)
    assert {one.station for one in lived.raised if one.code == "lock_jammed"} == set(stations)
    assert not [one for one in lived.raised if one.code in QUIET]


def test_a_station_that_was_silent_is_back_with_its_first_word_even_if_that_says_nothing_new(
    migrated_url: str,
) -> None:
    house = NearHouse(migrated_url)

    def says_the_same() -> None:
        house.says(DOOR, bolt="locked", leaf="closed", mode="normal")
        house.work()

    for _ in range(3):
        says_the_same()
    for _ in range(80):
        house.work()
    with house.database.read() as connection:
        assert "station_offline" in open_codes(connection)
    says_the_same()
    with house.database.read() as connection:
        assert "station_offline" not in open_codes(connection)
    house.close()
