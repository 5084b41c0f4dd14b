"""The registry's first stations, and which of them the simulator plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.ids import edge_box
from runtime.first_stations import fill, planned, to_simulate
from runtime.settings import Settings
from runtime.simulator_process import with_credentials
from storage import credentials, registry, stations
from storage.database import Database, open_database

NOW_MS = 1_795_467_427_000
FORTY = Settings()


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    opened = open_database(migrated_url)
    yield opened
    opened.close()


def test_forty_stations_of_real_counties_with_devices_and_doors(database: Database) -> None:
    assert fill(database, FORTY, NOW_MS) == 40

    with database.read() as connection:
        known = registry.load(connection)
        doors = registry.list_doors(connection)
    equipped = {device.station for device in known.devices}
    jiaojiang = [one for one in known.stations if one.startswith("331002-")]
    assert len(known.stations) == 40
    assert 0 < len(known.stations) - len(equipped) < 20, "a few have hours but no devices"
    assert len(jiaojiang) == 10
    assert "swap_cabinet" in {device.kind for device in known.devices if device.station == "331002-0001"}
    assert {(door.station, door.n) for door in doors} == {
        (device.station, device.n) for device in known.devices if device.kind == "door_lock"
    }
    assert len({door.code for door in doors}) == len(doors)


def test_a_second_start_changes_nothing_and_a_larger_one_adds(database: Database) -> None:
    fill(database, Settings(stations=5), NOW_MS)
    with database.read() as connection:
        before = registry.list_doors(connection)

    assert fill(database, Settings(stations=5), NOW_MS) == 0
    assert fill(database, Settings(stations=7), NOW_MS) == 2
    with database.read() as connection:
        after = registry.list_doors(connection)
    assert set(before) <= set(after)


def test_a_registry_that_people_filled_gets_no_pretended_stations(database: Database) -> None:
    with database.write() as connection:
        own = stations.Station("331002-0001", "331002", "", "001", "我们自己的驿站", created_ms=NOW_MS)
        stations.put_stations(connection, [own])

    assert fill(database, FORTY, NOW_MS) == 0
    assert to_simulate(database, FORTY) == []


def test_the_simulator_plays_what_was_filled_and_has_devices(database: Database) -> None:
    fill(database, FORTY, NOW_MS)

    played = {plan.id for plan in to_simulate(database, FORTY)}
    assert played == {plan.id for plan in planned(FORTY) if plan.devices}
    assert {plan.id for plan in to_simulate(database, Settings(stations=3))} < played


def test_a_station_whose_credential_was_revoked_is_not_played_until_it_has_a_new_one(
    database: Database,
) -> None:
    fill(database, FORTY, NOW_MS)
    plans = to_simulate(database, FORTY)
    assert with_credentials(database, plans, NOW_MS) == plans

    revoked = plans[0]
    with database.write() as connection:
        credentials.revoke_credentials(connection, edge_box(revoked.id), NOW_MS)
    assert revoked not in with_credentials(database, plans, NOW_MS)

    with database.write() as connection:
        new = credentials.Credential(edge_box(revoked.id), "another", NOW_MS)
        credentials.add_credential(connection, new)
    assert with_credentials(database, plans, NOW_MS) == plans
