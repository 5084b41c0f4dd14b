"""What is kept of stations becomes figures: of the area and period that was asked for, as last known."""

from __future__ import annotations

import pytest

from devices.state import DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId, edge_box
from rules.health import FILTER_SOON_DAYS
from rules.station_figures import Figures
from rules.utilisation import Uptime
from storage import registry, states, station_hours, stations, utilisation
from storage.database import Database
from storage.registry import Device
from storage.rollups import HOUR_MS, Hour, Summary, put_hours
from storage.states import StateRow
from storage.station_hours import UptimeHour, UseHour
from tests.storage.rows import CABINET, NOON_MS, STATION, station

OTHER = "330102-0001"
WATER = DeviceId(STATION, "water_dispenser", 1)
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def hub(db: Database) -> Database:
    with db.write() as connection:
        stations.put_stations(connection, [station(), station(OTHER), station("331002-0002")])
        registry.put_devices(
            connection,
            [
                Device(one, edge_box(one.station))
                for one in (CABINET, WATER, DeviceId(OTHER, "swap_cabinet", 1))
            ],
        )
    return db


def _figures(db: Database, area: str = "", from_ms: int = NOON_MS, days: int = 7) -> dict[str, Figures]:
    with db.read() as connection:
        found = utilisation.figures(connection, area, from_ms, from_ms + days * DAY_MS)
    return {one.id: one.figures for one in found}


def _state(db: Database, device: DeviceId, parts: dict[int, dict[str, Value]]) -> None:
    state = DeviceState()
    for part, fields in parts.items():
        state.part_for_change(part, None).fold(fields, Mark(0, 1, NOON_MS))
    with db.write() as connection:
        states.upsert_states(connection, [StateRow(device, state.to_json(), NOON_MS)])


def test_hours_of_the_period_and_the_area_are_added_up(hub: Database) -> None:
    with hub.write() as connection:
        for id_ in (STATION, OTHER):
            hours = [NOON_MS - HOUR_MS, NOON_MS, NOON_MS + HOUR_MS, NOON_MS + 7 * DAY_MS]
            times = Uptime(1, 2, 3, HOUR_MS - 6)
            station_hours.put_uptime(connection, [UptimeHour(id_, "open", hour, times) for hour in hours])
            use = [UseHour(id_, hour, 5, 100, 90, 4, 1, 2, 30, 60) for hour in hours]
            station_hours.put_use(connection, use)
    found = _figures(hub, "3310")
    assert list(found) == [STATION]
    assert found[STATION] == Figures(
        uptime={"open": Uptime(2, 4, 6, 2 * (HOUR_MS - 6))},
        visits=10, counting=1, person_ms=200, openings=8, jams=2, swaps=4, received=60, expected=120,
    )  # fmt: skip
    assert list(_figures(hub)) == [OTHER, STATION]
    assert list(_figures(hub, OTHER)) == [OTHER]


def test_a_station_that_was_not_heard_is_named_as_silent_and_one_without_devices_is_not_named(
    hub: Database,
) -> None:
    with hub.write() as connection:
        station_hours.put_use(connection, [UseHour(STATION, NOON_MS, None, 0, 0, 0, 0, 0, 0, 60)])
    found = _figures(hub, "3310")
    assert (list(found), found[STATION].silent, found[STATION].visits) == ([STATION], 1, None)
    assert found[STATION].completeness == 0


def test_writing_an_hour_again_replaces_it(hub: Database) -> None:
    for visits in (3, 8):
        with hub.write() as connection:
            station_hours.put_use(connection, [UseHour(STATION, NOON_MS, visits, 0, 0, 0, 0, 0, 1, 60)])
            times = Uptime(up_ms=visits)
            station_hours.put_uptime(connection, [UptimeHour(STATION, "door", NOON_MS, times)])
    figures = _figures(hub)[STATION]
    assert (figures.visits, figures.uptime["door"].up_ms) == (8, 8)


def test_batteries_are_judged_as_last_known_and_an_empty_slot_has_none(hub: Database) -> None:
    _state(
        hub,
        CABINET,
        {
            1: {"state": "full", "soh_pct": 95.0},
            2: {"state": "charging", "soh_pct": 75.0},
            3: {"state": "full", "soh_pct": 96.0, "cycles": 1500},
            4: {"state": "empty", "soh_pct": 60.0},
            5: {"state": "full"},
        },
    )
    figures = _figures(hub)[STATION]
    assert (figures.batteries, figures.weak_batteries) == (3, 2)


def test_a_filter_lasts_as_long_as_it_would_at_the_flow_of_the_period(hub: Database) -> None:
    _state(
        hub,
        WATER,
        {
            1: {"litres_used": 7000.0, "litres_total": 7200.0, "hours_used": 100.0, "hours_total": 8640.0},
            2: {"litres_used": 7000.0, "litres_total": 14_400.0, "hours_used": 8400.0, "hours_total": 8640.0},
        },
    )
    used = [6930.0, 6965.0, 7000.0]
    with hub.write() as connection:
        for part in (1, 2):
            put_hours(
                connection,
                [
                    Hour(
                        WATER, part, NOON_MS + at * DAY_MS, 1, {"litres_used": Summary(1, one, one, one, one)}
                    )
                    for at, one in enumerate(used)
                ],
            )
    figures = _figures(hub)[STATION]
    assert (figures.filters, figures.filters_due) == (2, 2)
    assert figures.filter_days == 10  # 240 of its hours are left, or 200 litres at 10 a day
    assert figures.filter_days < FILTER_SOON_DAYS


def test_without_any_flow_only_hours_count(hub: Database) -> None:
    _state(hub, WATER, {1: {"litres_used": 5.0, "litres_total": 7200.0}})
    assert (_figures(hub)[STATION].filters, _figures(hub)[STATION].filter_days) == (1, None)
