"""The simulated door: who gets in, who always gets out, and what it looks like when it breaks."""

from __future__ import annotations

import itertools

import pytest

from tests.device_sim.stand_in import DOOR, plan, prepare, signed
from tests.device_sim.town import KEY, Town

STATION = DOOR.station
IDS = (f"c{n}" for n in itertools.count())


def town(visits_per_day: float = 0.0) -> Town:
    made = Town(plan("door_lock", "occupancy_sensor", visits_per_day=visits_per_day))
    made.join()
    made.run(1)
    return made


def obey(where: Town, action: str, **args: int) -> str:
    """Take the device through the whole handshake."""
    command_id = next(IDS)
    where.tell(DOOR, prepare(command_id, action))
    where.tell(DOOR, signed(KEY, DOOR, command_id, action, where.hub.nonce(command_id), **args))
    return command_id


def states(where: Town, command_id: str) -> list[str]:
    return [body["state"] for body in where.hub.replies(command_id)]


def story(where: Town) -> list[str]:
    return [body["type"] for body in where.hub.of("event", "door_lock")]


def last(where: Town, name: str) -> object:
    said = [one.body for one in where.hub.kept if one.topic.device == DOOR and name in one.body]
    return max(said, key=lambda body: body["seq"])[name]


def test_visitors_come_in_go_out_by_the_button_and_are_counted() -> None:
    where = town(visits_per_day=300)
    where.run(3_600, step_s=0.5)
    happened = story(where)
    assert happened.count("opened") == happened.count("closed") > 5
    assert happened.count("inside_button") > 3
    causes = {body["last_unlock_cause"] for body in where.hub.events("unlocked")}
    assert {"pass", "inside_button"} <= causes
    assert "remote" not in causes
    count = where.hub.of("telemetry", "occupancy_sensor")[-1]
    assert count["count_raw"] >= 0


def test_a_signed_unlock_moves_the_bolt_within_a_second_and_says_which_command_it_obeyed() -> None:
    where = town()
    command_id = obey(where, "unlock")
    assert states(where, command_id) == ["nonce", "accepted"]
    where.run(0.9)
    assert states(where, command_id) == ["nonce", "accepted", "done"]
    (unlocked,) = where.hub.events("unlocked")
    assert (unlocked["command"], unlocked["last_unlock_cause"], unlocked["bolt"]) == (
        command_id, "remote", "unlocked",
    )  # fmt: skip


def test_after_an_unlock_the_door_locks_again_whether_it_was_used_or_not() -> None:
    where = town()
    for _ in range(40):
        obey(where, "unlock")
        where.run(40, step_s=0.2)
    happened = story(where)
    assert happened[-1] == "locked"
    assert happened.count("opened") == happened.count("closed")
    unused = sum(pair == ("unlocked", "locked") for pair in itertools.pairwise(happened))
    assert 1 <= unused <= 12


def test_an_unused_unlock_relocks_after_the_seconds_asked_for() -> None:
    where = town()
    while True:
        before = len(story(where))
        obey(where, "unlock", open_s=3)
        where.run(20)
        if story(where)[before:] == ["unlocked", "locked"]:
            break
    unlocked, locked = where.hub.of("event", "door_lock")[-2:]
    assert 2_900 <= locked["ts"] - unlocked["ts"] <= 3_200


@pytest.mark.parametrize("action,mode", [("lockdown", "lockdown"), ("release", "fire_release")])
def test_a_mode_is_confirmed_at_once_and_ended_by_resume(action: str, mode: str) -> None:
    where = town()
    command_id = obey(where, action)
    assert states(where, command_id) == ["nonce", "accepted", "done"]
    assert last(where, "mode") == mode
    where.run(2)
    assert last(where, "bolt") == ("unlocked" if action == "release" else "locked")
    obey(where, "resume")
    where.run(2)
    assert (last(where, "mode"), last(where, "bolt")) == ("normal", "locked")


def test_a_released_door_stays_unlocked() -> None:
    where = town(visits_per_day=300)
    obey(where, "release")
    where.run(600)
    assert "locked" not in story(where)[1:]


def test_lockdown_stops_a_bolt_that_is_about_to_move() -> None:
    where = town()
    refused = obey(where, "unlock")
    obey(where, "lockdown")
    assert states(where, refused) == ["nonce", "accepted", "rejected"]
    where.run(5)
    assert story(where) == []


def test_in_lockdown_nobody_comes_in_and_everybody_gets_out() -> None:
    where = town(visits_per_day=400)
    where.run(1_800, step_s=0.5)
    obey(where, "lockdown")
    where.run(30)
    assert where.hub.of("telemetry", "occupancy_sensor")[-1]["count_raw"] > 0
    where.run(3 * 3_600, step_s=0.5)
    totals = [b for b in where.hub.of("telemetry", "occupancy_sensor") if "out_total" in b]
    assert where.hub.of("telemetry", "occupancy_sensor")[-1]["count_raw"] == 0
    assert totals[-1]["in_total"] == totals[-1]["out_total"]
    late = obey(where, "unlock")
    assert where.hub.replies(late)[-1]["reason"] == "lockdown"


def test_a_jammed_bolt_lets_nobody_in_but_everybody_out() -> None:
    where = town(visits_per_day=400)
    where.run(1_800, step_s=0.5)
    where.fleet.inject(STATION, "door_lock/1", "jammed")
    command_id = obey(where, "unlock")
    where.run(2)
    assert (
        where.hub.replies(command_id)[-1] | {"state": "rejected", "reason": "jammed"}
        == (where.hub.replies(command_id)[-1])
    )
    assert last(where, "bolt") == "jammed"
    where.run(3 * 3_600, step_s=0.5)
    assert where.hub.of("telemetry", "occupancy_sensor")[-1]["count_raw"] == 0
    where.fleet.heal(STATION)
    where.run(1)
    assert last(where, "bolt") == "locked"


def test_a_forced_door_is_said_at_once_while_the_bolt_is_still_locked() -> None:
    where = town()
    where.fleet.inject(STATION, "door_lock/1", "forced")
    where.carry()
    (forced,) = where.hub.events("forced")
    assert (forced["bolt"], forced["leaf"]) == ("locked", "open")
    assert last(where, "forced") is True
    where.fleet.heal(STATION, "door_lock/1", "forced")
    where.run(2)
    assert (last(where, "forced"), last(where, "leaf")) == (False, "closed")


def test_a_door_that_is_held_open_stays_so_until_it_is_healed() -> None:
    where = town(visits_per_day=200)
    where.fleet.inject(STATION, "door_lock/1", "held_open")
    where.run(600, step_s=0.5)
    assert story(where).count("opened") == 1
    assert last(where, "leaf") == "open"
    where.fleet.heal(STATION)
    where.run(2)
    assert story(where).count("closed") == 1


def test_a_low_battery_shows_in_the_next_report() -> None:
    where = town()
    where.fleet.inject(STATION, "door_lock/1", "lock_battery_low", {"pct": 4})
    where.carry()
    assert last(where, "battery_pct") == 4.0


@pytest.mark.parametrize("open_s", [0, 11])
def test_an_unlock_for_an_odd_time_is_rejected(open_s: int) -> None:
    where = town()
    command_id = obey(where, "unlock", open_s=open_s)
    assert states(where, command_id) == ["nonce", "accepted", "rejected"]
    where.run(5)
    assert story(where) == []
