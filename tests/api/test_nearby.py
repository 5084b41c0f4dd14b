"""Where else to go, as the door's page and a refusal tell it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.ids import DeviceId, edge_box
from storage import registry, stations
from storage.registry import Device
from tests.api.conftest import DOOR, HERE, World

DOOR_PATH = f"/api/v1/doors/{DOOR}"
UNLOCK = f"{DOOR_PATH}/unlock"
OTHER = "331002-0002"


@pytest.fixture
def opener(world: World) -> dict[str, str]:
    with world.db.write() as conn:
        known = stations.get_station(conn, OTHER)
        away = stations.get_station(conn, "330102-0001")
        moved = replace(known, lat=28.67, name="葭沚驿站,南门", name_en="Jiazhi")
        stations.put_stations(conn, [moved, replace(away, lat=30.245, lon=120.165)])
    world.look()
    return world.token("door:open", area="331002")


def jam(world: World) -> None:
    world.facts()
    with world.db.write() as conn:
        from storage import availability

        row = availability.get(conn, HERE)
        assert row is not None
        at_ms = world.clock.now_ms()
        row.facts["devices"]["door_lock/1"]["bolt"] = ["jammed", at_ms, at_ms + 60_000]
        availability.upsert_many(conn, [row])


def test_the_door_says_where_else_to_go(world: World, opener: dict[str, str]) -> None:
    told = world.get(DOOR_PATH)["nearby"]
    assert (told["station"], told["distance_m"], told["basis"]) == (OTHER, 1112, "timetable")
    assert told["seats"] == {"level": "none", "free": None, "as_of": None, "valid_until": None}
    # Their map is shifted, takes the longitude first, and separates by commas.
    assert told["navigation"].startswith("https://uri.amap.com/navigation?to=121.42")
    assert told["navigation"].endswith(
        ",28.667058,%E8%91%AD%E6%B2%9A%E9%A9%BF%E7%AB%99%20%E5%8D%97%E9%97%A8&mode=walk&src=waystation"
    )


def test_every_refusal_that_another_station_helps_names_it(world: World, opener: dict[str, str]) -> None:
    def refused(status: int) -> Any:
        return world.post(UNLOCK, opener, status)

    jam(world)
    broken = refused(403)
    assert (broken["reason"], broken["nearby"]["station"]) == ("lock_fault", OTHER)
    assert broken["line2_zh"] == "已通知维修，附近可去 葭沚驿站,南门"
    assert broken["line2_en"] == "Repair is on its way; nearby: Jiazhi"
    world.link("offline")
    assert refused(409)["nearby"]["station"] == OTHER
    world.hear()
    world.facts(lockdown={"code": "cabinet_smoke", "since_ms": 1})
    assert refused(403)["nearby"] is None, "nobody reads on when there is smoke"


def test_the_same_key_is_told_where_to_go_again(world: World, opener: dict[str, str]) -> None:
    world.link("offline")
    headers = {**opener, "Idempotency-Key": "tap-00000001"}
    assert world.post(UNLOCK, headers, 409)["nearby"] == world.post(UNLOCK, headers, 409)["nearby"]


def test_what_is_told_of_the_other_station_is_public(world: World, opener: dict[str, str]) -> None:
    # From the other one's side: in the first one sits a single person.
    with world.db.write() as conn:
        registry.put_devices(
            conn,
            [Device(DeviceId(OTHER, "door_lock", 1), edge_box(OTHER), "门", "Door", world.clock.now_ms())],
        )
        registry.put_doors(conn, [registry.Door("other-door", OTHER, 1, world.clock.now_ms())])
    world.facts(people=1)
    world.look()
    staff = world.token("alerts:read", "door:open")
    told = world.get("/api/v1/doors/other-door", staff)["nearby"]
    assert told["station"] == HERE
    assert (told["seats"]["level"], told["seats"]["free"]) == ("plenty", None)


def test_a_station_that_nobody_has_put_on_the_map_has_no_neighbours(world: World) -> None:
    with world.db.write() as conn:
        stations.put_stations(conn, [replace(stations.get_station(conn, HERE), lat=None, lon=None)])
    world.look()
    assert world.get(DOOR_PATH)["nearby"] is None
