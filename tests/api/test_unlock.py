"""One tap on 'open': granted, joined, refused, and never late."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from storage import accesses, commands
from storage.accesses import AccessRow
from storage.tables import access, command
from tests.api.conftest import DOOR, HERE, LOCK, World

UNLOCK = f"/api/v1/doors/{DOOR}/unlock"


@pytest.fixture
def opener(world: World) -> dict[str, str]:
    return world.token("door:open", area="331002")


def rows(world: World) -> list[AccessRow]:
    with world.db.read() as conn:
        return accesses.of_station(conn, HERE)


def commands_made(world: World) -> int:
    with world.db.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(command)) or 0


def step(world: World, id_: str, *states: str) -> None:
    for from_state, to_state in itertools.pairwise(states):
        with world.db.write() as conn:
            assert commands.step(conn, id_, [from_state], to_state, world.db.now_ms(conn))


def test_a_tap_becomes_one_access_one_command_and_one_hint(world: World, opener: dict[str, str]) -> None:
    answer = world.post(UNLOCK, opener, 202)
    assert answer["state"] == "created"
    assert answer["joined"] is False
    assert answer["stream"] == f"/api/v1/commands/{answer['command']}/stream"
    (row,) = rows(world)
    assert (row.granted, row.reason, row.command_id, row.how) == (True, "granted", answer["command"], "token")
    with world.db.read() as conn:
        made = commands.by_id(conn, answer["command"])
    assert made is not None
    assert (made.device, made.action, made.must_hold, made.because) == (
        LOCK,
        "unlock",
        False,
        f"access:{row.id}",
    )
    assert 0 <= made.age_ms < 1000
    assert world.hints.sent == [("hub/command/331002", json.dumps({"command": made.id}).encode())]


def test_the_age_of_the_request_counts_from_its_arrival(world: World, opener: dict[str, str]) -> None:
    from api.caller import find_caller
    from api.unlocking import Taken, unlock

    caller = find_caller(world.state, bearer=opener["Authorization"][7:], cookie=None)
    assert caller is not None
    answer = unlock(world.state, caller, DOOR, None, world.clock.monotonic_s() - 1.5)
    assert isinstance(answer, Taken)
    with world.db.read() as conn:
        made = commands.by_id(conn, answer.command_id)
    assert made is not None
    assert 1_500 <= made.age_ms < 2_500


def test_a_request_that_waited_too_long_opens_nothing(world: World, opener: dict[str, str]) -> None:
    from api.caller import find_caller
    from api.unlocking import Refused, unlock

    caller = find_caller(world.state, bearer=opener["Authorization"][7:], cookie=None)
    assert caller is not None
    answer = unlock(world.state, caller, DOOR, None, world.clock.monotonic_s() - 3.5)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.reason) == (503, "too_late")
    assert commands_made(world) == 0
    assert [row.reason for row in rows(world)] == ["too_late"]


def test_the_same_key_gets_the_same_answer_and_moves_nothing_again(
    world: World, opener: dict[str, str]
) -> None:
    headers = {**opener, "Idempotency-Key": "tap-00000001"}
    first = world.post(UNLOCK, headers, 202)
    step(world, first["command"], "created", "preparing", "sent", "accepted", "done", "opened")
    again = world.post(UNLOCK, headers, 202)
    assert again["command"] == first["command"]
    assert again["state"] == "opened"
    assert commands_made(world) == len(rows(world)) == 1


def test_twenty_taps_at_once_make_one_command(world: World, opener: dict[str, str]) -> None:
    def tap(n: int) -> Any:
        key = "the-same-key" if n % 2 else f"key-of-tap-{n}"
        return world.client.post(UNLOCK, headers={**opener, "Idempotency-Key": key})

    with world.client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(tap, range(20)))
    assert {answer.status_code for answer in answers} <= {202, 429}
    taken = [answer.json() for answer in answers if answer.status_code == 202]
    assert len({one["command"] for one in taken}) == 1
    assert sum(not one["joined"] for one in taken) >= 1
    assert commands_made(world) == 1


def test_a_second_person_joins_the_opening_that_is_under_way(world: World, opener: dict[str, str]) -> None:
    first = world.post(UNLOCK, opener, 202)
    second = world.post(UNLOCK, world.token("door:open"), 202)
    assert second["command"] == first["command"]
    assert second["joined"] is True
    assert len(world.hints.sent) == 1
    assert len(rows(world)) == 2


def test_an_opening_that_ran_out_of_time_does_not_block_the_door(
    world: World, opener: dict[str, str]
) -> None:
    first = world.post(UNLOCK, opener, 202)
    with world.db.write() as conn:
        late = command.c.requested_ms - 3_100
        conn.execute(sa.update(command).values(requested_ms=late))
    second = world.post(UNLOCK, opener, 202)
    assert second["command"] != first["command"]
    told = world.get(f"/api/v1/commands/{first['command']}", opener)
    assert (told["state"], told["reason"], told["final"]) == ("expired", "hub_late", True)


def test_looking_at_a_command_ends_it_when_its_time_is_over(world: World, opener: dict[str, str]) -> None:
    id_ = world.post(UNLOCK, opener, 202)["command"]
    step(world, id_, "created", "preparing")
    with world.db.write() as conn:
        conn.execute(sa.update(command).values(requested_ms=command.c.requested_ms - 4_000))
    told = world.get(f"/api/v1/commands/{id_}", opener)
    assert (told["state"], told["reason"]) == ("no_answer", "no_nonce")
    assert [one["state"] for one in told["steps"]] == ["created", "preparing", "no_answer"]
    assert told["steps"][-1]["final"] is True


def test_a_lock_that_is_offline_is_said_so_at_once(world: World, opener: dict[str, str]) -> None:
    world.link("offline")
    problem = world.post(UNLOCK, opener, 409)
    assert (problem["code"], problem["reason"]) == ("lock_offline", "offline")
    assert problem["title_zh"] == "门锁暂时联系不上"
    assert commands_made(world) == 0
    assert [(row.granted, row.reason) for row in rows(world)] == [(False, "offline")]
    assert world.get(f"/api/v1/doors/{DOOR}")["lock"] == "offline"


@pytest.mark.parametrize("age_ms", [3_100, 60_000])
def test_without_a_gateway_no_door_opens_and_nobody_waits(
    world: World, opener: dict[str, str], age_ms: int
) -> None:
    world.beat(age_ms)
    answer = world.client.post(UNLOCK, headers=opener)
    assert answer.status_code == 503
    assert answer.json()["code"] == "hub_down"
    assert answer.headers["retry-after"] == "3"
    assert commands_made(world) == 0
    assert [row.reason for row in rows(world)] == ["hub_down"]


def test_an_alarm_is_told_even_when_the_gateway_is_gone(world: World, opener: dict[str, str]) -> None:
    world.facts(lockdown={"code": "cabinet_smoke", "since_ms": world.clock.now_ms()})
    world.beat(60_000)
    problem = world.post(UNLOCK, opener, 403)
    assert problem["reason"] == "safety"
    assert problem["line2_zh"].startswith("请远离")
    assert commands_made(world) == 0


def test_a_token_of_elsewhere_or_without_the_scope_is_refused_and_kept(world: World) -> None:
    for headers in (world.token("door:open", area="3301"), world.token("alerts:read")):
        assert world.post(UNLOCK, headers, 403)["reason"] == "uncertified"
    assert [row.granted for row in rows(world)] == [False, False]
    assert world.post(UNLOCK, status=401)["code"] == "not_signed_in"
    assert commands_made(world) == 0


def test_a_refusal_is_the_same_under_its_key(world: World, opener: dict[str, str]) -> None:
    headers = {**opener, "Idempotency-Key": "tap-00000001"}
    world.link("offline")
    first = world.post(UNLOCK, headers, 409)
    world.link("online")
    assert world.post(UNLOCK, headers, 409)["reason"] == first["reason"]
    assert world.post(UNLOCK, opener, 202)


def test_a_key_of_one_door_does_not_open_another(world: World, opener: dict[str, str]) -> None:
    from storage import registry
    from storage.registry import Door

    with world.db.write() as conn:
        registry.put_doors(conn, [Door("other", HERE, 2, 0)])
    headers = {**opener, "Idempotency-Key": "tap-00000001"}
    world.post(UNLOCK, headers, 202)
    assert world.post("/api/v1/doors/other/unlock", headers, 422)["code"] == "key_used"


def test_too_many_taps_are_slowed_down(world: World, opener: dict[str, str]) -> None:
    statuses = [world.client.post(UNLOCK, headers=opener).status_code for _ in range(12)]
    assert statuses[:8] == [202] * 8
    assert set(statuses[8:]) == {429}
    assert world.post(UNLOCK, world.token("door:open"), 202), "others are not slowed down"


def test_an_unknown_door_is_not_found(world: World, opener: dict[str, str]) -> None:
    assert world.post("/api/v1/doors/nosuchdoor/unlock", opener, 404)["code"] == "not_found"
    assert world.get("/api/v1/doors/nosuchdoor", status=404)["code"] == "not_found"
    with world.db.read() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(access)) == 0


def test_the_door_says_what_its_page_needs_and_no_faults(world: World) -> None:
    door = world.get(f"/api/v1/doors/{DOOR}")
    assert set(door) == {"door", "station", "label", "lock", "nearby"}
    assert (door["door"], door["label"], door["lock"], door["station"]["id"]) == (
        DOOR,
        "正门",
        "online",
        HERE,
    )
    assert "alerts" not in door["station"]


def test_a_command_is_seen_only_by_who_may_open_doors_there(world: World, opener: dict[str, str]) -> None:
    id_ = world.post(UNLOCK, opener, 202)["command"]
    path = f"/api/v1/commands/{id_}"
    assert world.get(path, opener)["steps"][0] == {
        "state": "created",
        "at": world.get(path, opener)["steps"][0]["at"],
        "after_s": 0.0,
        "detail": None,
        "reason": None,
        "final": False,
    }
    world.get(path, world.token("door:open", area="3301"), 404)
    world.get(path, world.token("alerts:read"), 403)
    world.get(path, status=401)
    world.get("/api/v1/commands/nosuchcommand", opener, 404)
