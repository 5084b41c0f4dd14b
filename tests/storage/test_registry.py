"""Stations, their devices and their doors."""

from __future__ import annotations

import time

import pytest

from domain.errors import NotFound
from domain.ids import DeviceId
from storage import credentials, registry, stations
from storage.credentials import Credential
from storage.database import Database
from storage.registry import Device, Door
from tests.storage.rows import BOX, LOCK, SENSOR, STATION, station


def _fill(db: Database) -> None:
    with db.write() as connection:
        stations.put_stations(
            connection,
            [
                station(lat=28.6, lon=121.4, capacity=12, hours="Mo-Su 08:00-22:00"),
                station("331002-0002", name="城北 100% 驿站", status="paused"),
                station("330102-0001", area="330105", name_en="West Lake"),
            ],
        )
        registry.put_devices(connection, [Device(LOCK, BOX, "前门"), Device(SENSOR, SENSOR)])
        registry.put_doors(connection, [Door("code-1", STATION, 1, 5), Door("code-0", STATION, 1, 4, 5)])


def _ids(found: list[stations.Station]) -> list[str]:
    return [one.id[-11:] for one in found]


def test_stations_are_found_by_area_text_status_and_equipment(db: Database) -> None:
    _fill(db)
    with db.read() as connection:
        assert _ids(stations.list_stations(connection)) == ["330102-0001", "331002-0001", "331002-0002"]
        assert _ids(stations.list_stations(connection, area="3310")) == ["331002-0001", "331002-0002"]
        assert _ids(stations.list_stations(connection, area="330105")) == ["330102-0001"]
        assert _ids(stations.list_stations(connection, area="330102")) == []
        assert _ids(stations.list_stations(connection, area="331002-0002")) == ["331002-0002"]
        assert _ids(stations.list_stations(connection, area="331002-000")) == []
        assert _ids(stations.list_stations(connection, area="%")) == []
        assert _ids(stations.list_stations(connection, text="100%")) == ["331002-0002"]
        assert _ids(stations.list_stations(connection, text="west l")) == ["330102-0001"]
        assert _ids(stations.list_stations(connection, status="paused")) == ["331002-0002"]
        assert _ids(stations.list_stations(connection, equipped=True)) == ["331002-0001"]
        assert _ids(stations.list_stations(connection, equipped=False)) == ["330102-0001", "331002-0002"]


def test_pages_follow_each_other_without_a_gap(db: Database) -> None:
    with db.write() as connection:
        stations.put_stations(connection, [station(f"331002-{n:04d}") for n in range(25)])
    seen: list[str] = []
    with db.read() as connection:
        while page := stations.list_stations(connection, after=seen[-1] if seen else "", limit=10):
            seen += [one.id for one in page]
    assert seen == [f"331002-{n:04d}" for n in range(25)]


def test_a_station_comes_back_as_it_was_put(db: Database) -> None:
    _fill(db)
    with db.write() as connection:
        found = stations.get_station(connection, STATION)
        assert (found.area, found.lat, found.capacity, found.grade) == ("331002", 28.6, 12, "basic")
        stations.put_stations(connection, [station(capacity=13)])
        assert stations.get_station(connection, STATION).capacity == 13
        assert stations.get_station(connection, STATION).lat is None
        with pytest.raises(NotFound, match="no station"):
            stations.get_station(connection, "331002-9999")


def test_whoever_asks_for_changes_gets_what_changed(db: Database) -> None:
    _fill(db)
    with db.write() as connection:
        version = registry.load(connection).version
        assert stations.stations_since(connection, version) == []
        registry.put_doors(connection, [Door("code-2", "331002-0002", 1, 9)])
        stations.put_stations(connection, [station("330102-0001")])
        changed = stations.stations_since(connection, version)
        assert [one.id for one in changed] == ["331002-0002", "330102-0001"]
        registry.remove_device(connection, SENSOR)
        assert [one.id for one in stations.stations_since(connection, changed[-1].version)] == [STATION]


def test_devices_name_their_speaker(db: Database) -> None:
    _fill(db)
    with db.read() as connection:
        assert registry.get_device(connection, LOCK).speaker == BOX
        assert registry.get_device(connection, SENSOR).speaker == SENSOR
        assert [one.id for one in registry.list_devices(connection, area="33")] == [LOCK, SENSOR]
        assert [one.id for one in registry.list_devices(connection, kind="door_lock")] == [LOCK]
        assert registry.list_devices(connection, area="331003") == []
        with pytest.raises(NotFound):
            registry.get_device(connection, DeviceId(STATION, "door_lock", 2))


def test_a_device_needs_a_station_and_a_speaker_of_the_same(db: Database) -> None:
    _fill(db)
    stranger = DeviceId("331099-0001", "door_lock", 1)
    with pytest.raises(NotFound, match="add it first"), db.write() as connection:
        registry.put_devices(connection, [Device(stranger, stranger)])
    with pytest.raises(NotFound, match="another station"), db.write() as connection:
        registry.put_devices(connection, [Device(LOCK, DeviceId("331002-0002", "station", 0))])
    with pytest.raises(NotFound, match="add it first"), db.write() as connection:
        registry.put_doors(connection, [Door("x", "331099-0001", 1, 0)])


def test_a_door_is_found_by_its_code_until_the_code_is_revoked(db: Database) -> None:
    _fill(db)
    with db.read() as connection:
        assert registry.get_door(connection, "code-1").lock == LOCK
        assert [one.code for one in registry.list_doors(connection)] == ["code-1"]
        for code in ("code-0", "nothing"):
            with pytest.raises(NotFound, match="no door with this code"):
                registry.get_door(connection, code)


def test_a_speakers_keys_can_be_taken_back(db: Database) -> None:
    with db.write() as connection:
        credentials.add_credential(connection, Credential(BOX, "UKEY1", 1))
        credentials.add_credential(connection, Credential(BOX, "UKEY2", 2))
        credentials.add_credential(connection, Credential(BOX, "UKEY2", 3))
        assert credentials.revoke_credentials(connection, BOX, 9) == ["UKEY1", "UKEY2"]
        assert credentials.revoke_credentials(connection, BOX, 10) == []
        assert [one.revoked_ms for one in credentials.list_credentials(connection, STATION)] == [9, 9]
        assert credentials.list_credentials(connection, "331002-0002") == []


@pytest.mark.integration
def test_twelve_thousand_stations_are_loaded_at_once(db: Database) -> None:
    every = [station(f"33{n % 90:04d}-{n:04d}") for n in range(12_000)]
    with db.write() as connection:
        stations.put_stations(connection, every)
        registry.put_devices(
            connection,
            [Device(DeviceId(one.id, "door_lock", 1), DeviceId(one.id, "station", 0)) for one in every],
        )
    began = time.perf_counter()
    with db.read() as connection:
        found = registry.load(connection)
    print(f"{db.dialect}: loaded in {time.perf_counter() - began:.2f} s")
    assert (len(found.stations), len(found.devices)) == (12_000, 12_000)
