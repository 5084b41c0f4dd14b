"""What staff works with: alerts, devices, history, quarantine."""

from __future__ import annotations

import json

import pytest

from devices.fold import apply
from devices.registry import kind_of
from devices.state import DeviceState
from domain.facts import Mark, Value
from domain.ids import edge_box
from storage import audit, commands, notices, quarantine, states
from storage.commands import NewCommand
from storage.quarantine import BadRow
from storage.series_row import SeriesRow
from storage.states import AgesRow, StateRow
from tests.api.conftest import CABINET, HERE, LOCK, World, paths

FIRST = "000000000001aaaaaaaaaaaa"


def test_alerts_are_listed_newest_first_and_page_by_page(world: World) -> None:
    staff = world.token("alerts:read")
    made = [world.alert(f"00000000000{n}aaaaaaaaaaaa", code=f"code_{n}") for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = world.get(f"/api/v1/alerts?limit=2{cursor}", staff)
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]
    assert [one["code"] for one in world.get("/api/v1/alerts?code=code_3", staff)["items"]] == ["code_3"]
    assert world.get("/api/v1/alerts?state=resolved", staff)["items"] == []
    assert len(world.get("/api/v1/alerts?state=open&area=3310", staff)["items"]) == 5
    assert world.get("/api/v1/alerts?area=3301", staff)["items"] == []
    assert (
        world.get(f"/api/v1/alerts?station={HERE}&area=44", world.token("alerts:read", area="33"))["items"]
        == []
    )
    assert paths(world.get("/api/v1/alerts?state=closed", staff, 422)) == ["query.state"]


def test_somebody_takes_an_alert_on_and_the_first_one_stays_named(world: World) -> None:
    world.alert(FIRST)
    first, second = world.token("alerts:write"), world.token("alerts:write")
    alert = world.post(f"/api/v1/alerts/{FIRST}/acknowledge", first)
    assert alert["state"] == "acknowledged"
    again = world.post(f"/api/v1/alerts/{FIRST}/acknowledge", second)
    assert again["acknowledged"] == alert["acknowledged"]
    with world.db.read() as conn:
        assert len(audit.newest(conn, action="alert.acknowledge")) == 2


def test_a_latched_alert_ends_by_a_person_with_a_reason(world: World) -> None:
    world.alert(FIRST, latched=True)
    with world.db.write() as conn:
        notices.create(conn, FIRST, "opened", "webhook", world.clock.now_ms())
        (opened,) = notices.claim(conn, "webhook", "test", world.clock.now_ms())
        notices.sent(conn, opened, world.clock.now_ms())
    staff = world.token("alerts:write")
    for body in (None, {}, {"reason": ""}, {"reason": "  "[:2]}, {"reason": "到场检查", "more": 1}):
        assert world.post(f"/api/v1/alerts/{FIRST}/reset", staff, 422, json=body)["errors"]
    alert = world.post(f"/api/v1/alerts/{FIRST}/reset", staff, json={"reason": "到场检查，误报"})
    assert (alert["state"], alert["resolved"]["reason"], alert["resolved"]["note"]) == (
        "resolved",
        "reset",
        "到场检查，误报",
    )
    assert world.hints.sent == [("hub/command/331002", json.dumps({"alert": FIRST}).encode())]
    with world.db.write() as conn:
        told = notices.claim(conn, "webhook", "test", world.clock.now_ms())
    assert [(one.what, one.alert.id) for one in told] == [("resolved", FIRST)]
    assert (
        world.post(f"/api/v1/alerts/{FIRST}/reset", staff, 409, json={"reason": "again"})["code"]
        == "conflict"
    )


def test_an_alert_that_ends_by_itself_is_not_reset_by_hand(world: World) -> None:
    world.alert(FIRST)
    problem = world.post(
        f"/api/v1/alerts/{FIRST}/reset", world.token("alerts:write"), 409, json={"reason": "weil ich will"}
    )
    assert "ends by itself" in problem["detail"]


def report(world: World, age_s: int = 0) -> None:
    """The cabinet says how its slots are."""
    at_ms = world.clock.now_ms() - age_s * 1000
    kind = kind_of("swap_cabinet")
    state = DeviceState(seen_ms=at_ms)
    fields = {"smoke": False, "power_w": 800.0}
    parts: dict[int, dict[str, Value]] = {3: {"temp_c": 31.5, "state": "charging"}}
    apply(kind, state, None, fields, parts, Mark(1, 1, at_ms))
    with world.db.write() as conn:
        states.upsert_states(conn, [StateRow(CABINET, state.to_json(), at_ms)])


def test_a_device_tells_each_field_with_its_unit_and_its_end(world: World) -> None:
    report(world)
    device = world.get(f"/api/v1/devices/{HERE}/swap_cabinet/1", world.token("devices:read"))
    assert (device["link"], device["data"], device["speaker"]) == ("online", "fresh", "station/0")
    power = device["fields"]["power_w"]
    assert (power["value"], power["unit"]) == (800.0, "W")
    assert power["as_of"] < power["valid_until"]
    slot = device["parts"]["3"]
    assert (slot["temp_c"]["value"], slot["temp_c"]["unit"], slot["state"]["value"]) == (
        31.5,
        "°C",
        "charging",
    )


def test_a_device_is_as_young_as_its_station_knows_though_its_state_is_old(world: World) -> None:
    report(world, age_s=600)
    token, path = world.token("devices:read"), f"/api/v1/devices/{HERE}/swap_cabinet/1"
    old = world.get(path, token)
    assert old["data"] == "stale"
    now_ms = world.clock.now_ms()
    younger = (now_ms, {0: [[Mark(1, 9, now_ms)]], 3: [[Mark(1, 9, now_ms)]]})
    with world.db.write() as conn:
        states.upsert_ages(conn, [AgesRow(HERE, {CABINET.short: younger}, now_ms)])
    device = world.get(path, token)
    assert (device["data"], device["fields"]["power_w"]["value"]) == ("fresh", 800.0)
    assert device["fields"]["power_w"]["as_of"] > old["fields"]["power_w"]["as_of"]
    assert device["parts"]["3"]["temp_c"]["as_of"] > old["parts"]["3"]["temp_c"]["as_of"]
    assert device["seen"] > old["seen"]
    listed = world.get(f"/api/v1/devices?station={HERE}", token)["items"]
    assert [one["seen"] for one in listed if one["kind"] == "swap_cabinet"] == [device["seen"]]


def test_the_devices_of_a_station_and_whether_they_are_heard(world: World) -> None:
    staff = world.token("devices:read")
    items = world.get(f"/api/v1/devices?station={HERE}", staff)["items"]
    assert [one["kind"] for one in items] == ["door_lock", "occupancy_sensor", "swap_cabinet"]
    assert {one["link"] for one in items} == {"online"}
    world.clock.ahead_s = 200
    items = world.get(f"/api/v1/devices?station={HERE}", staff)["items"]
    assert {one["link"] for one in items} == {"unknown"}
    assert paths(world.get("/api/v1/devices", staff, 422)) == ["query.station"]


def test_a_lost_station_loses_its_devices(world: World) -> None:
    world.link("offline")
    items = world.get(f"/api/v1/devices?station={HERE}", world.token("devices:read"))["items"]
    assert {one["link"] for one in items} == {"offline"}


def told(world: World, outcome: str, reason: str | None = None) -> None:
    with world.db.write() as conn:
        now_ms = world.db.now_ms(conn)
        id_ = commands.new_id(now_ms)
        assert commands.create(conn, NewCommand(id_, LOCK, "331002", "unlock", {}, "a", False, now_ms, "t"))
        assert commands.step(conn, id_, ["created"], outcome, now_ms, reason=reason)


def test_a_device_works_or_fails_by_what_came_of_what_it_was_told(world: World) -> None:
    staff = world.token("devices:read")

    def function() -> str:
        return str(world.get(f"/api/v1/devices/{HERE}/door_lock/1", staff)["function"])

    assert function() == "unknown"
    told(world, "opened")
    assert function() == "works"
    told(world, "no_answer", "no_nonce")
    assert function() == "unknown", "once may be chance"
    told(world, "expired", "hub_late")
    assert function() == "unknown", "the hub's own fault says nothing of the lock"
    told(world, "expired", "not_confirmed")
    assert function() == "fails"
    world.clock.ahead_s = 25 * 3600
    assert function() == "unknown"


def test_a_device_that_never_spoke_is_known_and_empty(world: World) -> None:
    device = world.get(f"/api/v1/devices/{HERE}/door_lock/1", world.token("devices:read"))
    assert (device["data"], device["fields"], device["parts"]) == ("none", {}, {})
    world.get(f"/api/v1/devices/{HERE}/door_lock/9", world.token("devices:read"), 404)
    world.get(f"/api/v1/devices/{HERE}/toaster/1", world.token("devices:read"), 404)


HISTORY = f"/api/v1/history/{HERE}/swap_cabinet/1"
MINUTE_MS = 60_000


@pytest.fixture
def measured(world: World) -> World:
    """Ten minutes of one slot's temperature, from 12:00, twice a minute."""
    begin_ms = 1_795_435_200_000
    rows = [
        SeriesRow(
            CABINET, edge_box(HERE), "b", n, begin_ms + n * MINUTE_MS // 2, None, begin_ms, {},
            {3: {"temp_c": 30.0 + n}}, {},
        )
        for n in range(20)
    ]  # fmt: skip
    with world.db.write() as conn:
        world.state.series.append(conn, "swap_cabinet", rows)
    return world


def test_history_comes_in_steps_with_an_aggregate(measured: World) -> None:
    staff = measured.token("history:read")
    span = "&from=2026-11-23T12:00:00Z&to=2026-11-23T12:10:00Z"
    answer = measured.get(f"{HISTORY}?metric=temp_c&part=3&step=5m&agg=max{span}", staff)
    assert (answer["unit"], answer["step_s"]) == ("°C", 300)
    assert answer["points"] == [["2026-11-23T12:00:00.000Z", 39.0], ["2026-11-23T12:05:00.000Z", 49.0]]
    local = "&from=2026-11-23T20:00:00%2B08:00&to=2026-11-23T20:05:00%2B08:00"
    assert len(measured.get(f"{HISTORY}?metric=temp_c&part=3{local}", staff)["points"]) == 10


@pytest.mark.parametrize(
    "query, path",
    [
        ("metric=temp", "query.metric"),
        ("metric=temp_c", "query.metric"),
        ("metric=temp_c&part=3&step=5", "query.step"),
        ("metric=temp_c&part=3&step=0s", "query.step"),
        ("metric=temp_c&part=3&step=1s&from=2026-01-01T00:00:00Z", "query.step"),
        ("metric=state&part=3&step=60s&agg=mean", "query.agg"),
        ("metric=temp_c&part=3&agg=sum", "query.agg"),
        ("metric=temp_c&part=3&from=1795435200000", "query.from"),
        ("metric=temp_c&part=3&from=2026-11-23T12:00:00", "query.from"),
        ("metric=temp_c&part=3&from=2026-11-23T12:00:00Z&to=2026-11-23T12:00:00Z", "query.from"),
        ("part=3", "query.metric"),
        ("metric=temp_c&part=-1", "query.part"),
    ],
)
def test_a_wrong_question_to_history_is_answered_with_its_place(world: World, query: str, path: str) -> None:
    assert paths(world.get(f"{HISTORY}?{query}", world.token("history:read"), 422)) == [path]


def test_a_lock_has_no_parts(world: World) -> None:
    answer = world.get(f"/api/v1/history/{LOCK}?metric=temp_c&part=1", world.token("history:read"), 422)
    assert paths(answer) == ["query.part"]


def test_what_was_not_understood_is_found_with_its_reason_and_tried_again(world: World) -> None:
    rows = [
        BadRow(f"ws/331002/{HERE}/x", b'{"bolt":"\xff"}', "not_utf8", "", "is not UTF-8", 1_000, HERE),
        BadRow("nonsense", b"a" * 20_000, "too_large", "", "is too large", 2_000),
    ]
    with world.db.write() as conn:
        quarantine.put_many(conn, rows)
    staff = world.token("quarantine:read", "quarantine:write")
    items = world.get("/api/v1/quarantine", staff)["items"]
    assert [one["reason"] for one in items] == ["too_large", "not_utf8"]
    assert items[1]["payload"] == '{"bolt":"\\xff"}'
    page = world.get("/api/v1/quarantine?limit=1", staff)
    (rest,) = world.get(f"/api/v1/quarantine?limit=1&cursor={page['next']}", staff)["items"]
    assert rest["reason"] == "not_utf8"
    answer = world.post(f"/api/v1/quarantine/{rest['id']}/replay", staff, 202)
    assert world.post(f"/api/v1/quarantine/{rest['id']}/replay", staff, 202) == answer
    assert world.post(f"/api/v1/quarantine/{items[0]['id']}/replay", staff, 409)["code"] == "conflict"
    local = world.token("quarantine:read", "quarantine:write", area="331002")
    assert paths(world.get("/api/v1/quarantine", local, 422)) == ["query.station"]
    assert world.post(f"/api/v1/quarantine/{items[0]['id']}/replay", local, 404)
