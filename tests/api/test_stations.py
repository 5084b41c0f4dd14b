"""Stations: what everyone sees, what only staff sees, filters, pages, and claims that age."""

from __future__ import annotations

import pytest

from storage.alerts import open_many
from tests.api.conftest import HERE, World, paths
from tests.storage import rows


def ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [one["id"] for one in answer["items"]]


def test_everyone_sees_what_is_open_and_what_is_free(world: World) -> None:
    station = world.get(f"/api/v1/stations/{HERE}")
    told = station["availability"]
    assert (told["state"], told["basis"]) == ("open", "live")
    assert (told["seats"]["level"], told["seats"]["free"]) == ("plenty", 7)
    assert told["batteries"]["full"] == 7
    assert told["water"]["level"] == "hot"
    assert told["water"]["as_of"] < told["water"]["valid_until"]
    assert told["as_of"].endswith("Z")
    assert station["equipped"] is True
    assert "people" not in told
    assert "alerts" not in station
    assert world.get(f"/api/v1/stations/{HERE}/availability") == told


def test_a_station_without_sensors_is_told_by_its_timetable(world: World) -> None:
    station = world.get("/api/v1/stations/331002-0002")
    assert station["availability"]["state"] == "plan"
    assert station["availability"]["basis"] == "timetable"
    assert station["equipped"] is False


def test_with_few_people_inside_nobody_learns_how_many(world: World) -> None:
    world.facts(people=1)
    world.look()
    seats = world.get(f"/api/v1/stations/{HERE}")["availability"]["seats"]
    assert (seats["level"], seats["free"]) == ("plenty", None)
    assert ids(world.get("/api/v1/stations?seats=1")) == [HERE]
    assert ids(world.get("/api/v1/stations?seats=12")) == [HERE], "the filter must not tell either"


def test_staff_of_the_area_sees_people_and_alerts_and_others_do_not(world: World) -> None:
    world.alert()
    world.look()
    theirs = world.token("alerts:read", area="331002")
    station = world.get(f"/api/v1/stations/{HERE}", theirs)
    assert station["availability"]["people"]["about"] == 5
    assert station["alerts"] == {"open": 1, "worst": "major", "first": "7 号仓过热", "first_en": "slot 7 hot"}
    for headers in (world.token("alerts:read", area="3301"), world.token("door:open")):
        assert "alerts" not in world.get(f"/api/v1/stations/{HERE}", headers)


def test_beside_its_station_an_alert_repeats_neither_its_name_nor_how_grave_it_is(world: World) -> None:
    told = rows.alert(
        "a1",
        text_zh="【严重】椒江万达劳动者驿站 · 换电柜 3 号仓：电池 67 ℃。",
        text_en="[Major] 椒江万达劳动者驿站: cabinet slot 3 is at 67 °C.",
    )
    with world.db.write() as conn:
        open_many(conn, [told])
    world.look()
    alerts = world.get(f"/api/v1/stations/{HERE}", world.token("alerts:read"))["alerts"]
    assert alerts["first"] == "换电柜 3 号仓：电池 67 ℃。"
    assert alerts["first_en"] == "cabinet slot 3 is at 67 °C."


def test_a_claim_that_is_too_old_satisfies_nobody(world: World) -> None:
    assert ids(world.get("/api/v1/stations?open=true&seats=1&batteries=1&water=hot")) == [HERE]
    world.clock.ahead_s = 181
    assert ids(world.get("/api/v1/stations?seats=1")) == [], "not even before anybody looked again"
    assert ids(world.get("/api/v1/stations?water=any")) == []
    world.look()
    told = world.get(f"/api/v1/stations/{HERE}")["availability"]
    assert told["state"] == "unknown"
    assert told["seats"]["free"] is None
    assert told["batteries"]["full"] is None
    assert told["water"]["level"] == "unknown"
    assert ids(world.get("/api/v1/stations?open=true")) == ["330102-0001", "331002-0002"]


@pytest.mark.parametrize(
    "level, hot, some",
    [
        ("hot", True, True),
        ("ok", False, True),
        ("low", False, True),
        ("empty", False, False),
        ("off", False, False),
    ],
)
def test_who_wants_water_finds_only_where_some_is(world: World, level: str, hot: bool, some: bool) -> None:
    world.facts(water=level)
    world.look()
    assert (ids(world.get("/api/v1/stations?water=hot")) == [HERE]) is hot
    assert (ids(world.get("/api/v1/stations?water=any")) == [HERE]) is some


def test_a_station_without_a_dispenser_says_so(world: World) -> None:
    assert world.get("/api/v1/stations/331002-0002")["availability"]["water"] is None


def test_an_alarm_is_told_without_saying_which(world: World) -> None:
    world.facts(lockdown={"code": "battery_runaway", "since_ms": world.clock.now_ms()})
    world.look()
    told = world.get(f"/api/v1/stations/{HERE}")["availability"]
    assert (told["state"], told["reason"]) == ("safety", None)
    staff = world.get(f"/api/v1/stations/{HERE}", world.token("alerts:read"))["availability"]
    assert staff["reason"] == "battery_runaway"


@pytest.mark.parametrize(
    "query, found",
    [
        ("area=3310", [HERE, "331002-0002"]),
        ("area=331002-0002", ["331002-0002"]),
        ("city=330100", ["330102-0001"]),
        ("q=万达", [HERE]),
        ("q=002", ["331002-0002"]),
        ("batteries=7", [HERE]),
        ("batteries=8", []),
        ("water=hot", [HERE]),
        ("water=any", [HERE]),
        ("open=false", []),
        ("area=44", []),
    ],
)
def test_filters_narrow_the_list(world: World, query: str, found: list[str]) -> None:
    assert ids(world.get(f"/api/v1/stations?{query}")) == found


def test_pages_hold_every_station_once(world: World) -> None:
    seen, cursor = [], ""
    for _ in range(5):
        page = world.get(f"/api/v1/stations?limit=1{cursor}")
        seen += ids(page)
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["330102-0001", HERE, "331002-0002"]


@pytest.mark.parametrize(
    "query, path",
    [
        ("limit=0", "query.limit"),
        ("limit=201", "query.limit"),
        ("limit=x", "query.limit"),
        ("cursor=nonsense", "query.cursor"),
        ("cursor=%00", "query.cursor"),
        ("cursor=W10", "query.cursor"),
        ("area=33x", "query.area"),
        ("open=perhaps", "query.open"),
        ("seats=-1", "query.seats"),
        ("city=33", "query.city"),
        ("q=" + "x" * 65, "query.q"),
    ],
)
def test_a_wrong_question_is_answered_with_its_place(world: World, query: str, path: str) -> None:
    answer = world.client.get(f"/api/v1/stations?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert paths(answer.json()) == [path]


def test_a_cursor_fits_only_the_filters_it_came_from(world: World) -> None:
    cursor = world.get("/api/v1/stations?limit=1&area=33")["next"]
    problem = world.get(f"/api/v1/stations?limit=1&area=3310&cursor={cursor}", status=422)
    assert paths(problem) == ["query.cursor"]


def test_what_is_not_there_is_a_problem_in_plain_words(world: World) -> None:
    problem = world.get("/api/v1/stations/331002-9999", status=404)
    assert problem["code"] == "not_found"
    assert "331002-9999" in problem["detail"]
    assert paths(world.get("/api/v1/stations/x", status=422)) == ["path.station_id"]
    assert world.get("/api/v1/nothing", status=404)["code"] == "not_found"
    assert world.client.delete("/api/v1/stations").status_code == 405


def test_all_availability_of_an_area_in_one_answer(world: World) -> None:
    answer = world.get("/api/v1/availability?area=331002")
    assert [one["station"] for one in answer["items"]] == [HERE, "331002-0002"]
    before = answer["version"]
    world.facts(people=12)
    world.look()
    answer = world.get("/api/v1/availability?area=331002")
    assert answer["version"] > before
    assert answer["items"][0]["availability"]["state"] == "full"


def test_before_the_first_look_nothing_is_claimed(db: object, world: World) -> None:
    fresh = World(world.db)
    assert fresh.get("/api/v1/stations", status=503)["code"] == "starting"
    assert fresh.get("/api/v1/live", status=503)["code"] == "starting"
