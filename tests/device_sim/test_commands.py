"""A bolt moves for a fresh, signed, single-use command, and for nothing else, whatever came in between."""

from __future__ import annotations

import pytest

from domain.ids import DeviceId
from tests.device_sim.stand_in import CABINET, DOOR, plan, prepare, signed
from tests.device_sim.town import KEY, OTHER_KEY, Town

STATION = DOOR.station


def town() -> Town:
    made = Town(plan("door_lock", "swap_cabinet", visits_per_day=0, swaps_per_day=0))
    made.join()
    made.run(1)
    return made


def nonce(where: Town, command_id: str = "c1") -> bytes:
    where.tell(DOOR, prepare(command_id, "unlock"))
    return where.hub.nonce(command_id)


def unlock(given: bytes, command_id: str = "c1") -> bytes:
    return signed(KEY, DOOR, command_id, "unlock", given)


def moved(where: Town) -> int:
    """How often the bolt has moved out, once everything has had its time."""
    where.run(20)
    return len(where.hub.events("unlocked"))


def last_reason(where: Town, command_id: str = "c1") -> str:
    return str(where.hub.replies(command_id)[-1].get("reason"))


def test_prepare_nonce_signed_unlock_done() -> None:
    where = town()
    where.tell(DOOR, unlock(nonce(where)))
    assert moved(where) == 1
    assert [body["state"] for body in where.hub.replies("c1")] == ["nonce", "accepted", "done"]


def test_the_same_question_gets_the_same_nonce_while_it_lives_and_the_outcome_afterwards() -> None:
    where = town()
    first = nonce(where)
    where.run(1)
    assert nonce(where) == first
    where.tell(DOOR, unlock(first))
    where.run(2)
    where.tell(DOOR, prepare("c1", "unlock"))
    assert where.hub.replies("c1")[-1]["state"] == "done"
    assert moved(where) == 1


def test_a_nonce_is_dead_after_five_seconds() -> None:
    where = town()
    late = unlock(nonce(where))
    where.run(5)
    where.tell(DOOR, late)
    assert moved(where) == 0
    assert last_reason(where) == "expired"


def test_the_signed_bytes_may_come_again_and_move_the_bolt_once() -> None:
    where = town()
    bytes_ = unlock(nonce(where))
    for _ in range(5):
        where.tell(DOOR, bytes_)
        where.run(0.3)
    assert moved(where) == 1
    where.tell(DOOR, bytes_)
    assert moved(where) == 1
    assert where.hub.replies("c1")[-1]["state"] == "done"


@pytest.mark.parametrize("what", ["other key", "other device", "other nonce", "other id", "bent", "rubbish"])
def test_forged_commands_move_nothing(what: str) -> None:
    where = town()
    given = nonce(where)
    right = unlock(given)
    forged = {
        "other key": signed(OTHER_KEY, DOOR, "c1", "unlock", given),
        "other device": signed(KEY, DeviceId("331002-0002", "door_lock", 1), "c1", "unlock", given),
        "other nonce": unlock(bytes(16)[:-1] + b"\x77"),
        "other id": unlock(given, "c2"),
        "bent": right.replace(b"A", b"B", 1),
        "rubbish": b"\xff\x00" * 50,
    }[what]
    where.tell(DOOR, forged)
    assert moved(where) == 0


def test_a_command_for_the_cabinet_does_not_open_the_door() -> None:
    where = town()
    where.tell(CABINET, prepare("c1", "unlock"))
    where.tell(DOOR, signed(KEY, CABINET, "c1", "unlock", where.hub.nonce("c1")))
    assert moved(where) == 0


def test_no_more_than_four_nonces_are_open() -> None:
    where = town()
    for n in range(5):
        where.tell(DOOR, prepare(f"c{n}", "unlock"))
    assert last_reason(where, "c4") == "too_many_open"


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("clock", [None, {"minutes": 60}, {"minutes": -60}])
@pytest.mark.parametrize("frozen", ["before the question", "after the nonce"])
def test_a_link_that_freezes_for_40_seconds_after_the_tap_moves_nothing(
    frozen: str, clock: dict[str, float] | None, late: int
) -> None:
    where = town()
    if clock:
        where.fleet.inject(STATION, None, "clock_off", clock)
    if frozen == "before the question":
        where.fleet.inject(STATION, "door_lock/1", "link_freeze", {"seconds": 40, "late": late})
        for _ in range(6):
            where.tell(DOOR, prepare("c1", "unlock"))
            where.run(0.5)
        assert where.hub.replies("c1") == []
    else:
        given = nonce(where)
        where.fleet.inject(STATION, "door_lock/1", "link_freeze", {"seconds": 40, "late": late})
        for _ in range(6):
            where.tell(DOOR, unlock(given))
            where.run(0.5)
    where.run(60)
    assert moved(where) == 0
    assert where.station.box.connected
    assert where.fleet.status()[0]["faults"] == (["clock_off"] if clock else [])


def test_a_lock_without_a_clock_obeys_all_the_same() -> None:
    where = town()
    where.fleet.inject(STATION, None, "no_clock")
    where.tell(DOOR, unlock(nonce(where)))
    assert moved(where) == 1
    assert where.hub.events("unlocked")[0]["ts"] is None


def test_a_restarted_station_does_not_know_the_nonces_of_before() -> None:
    before, after = town(), Town(plan("door_lock", visits_per_day=0))
    given = nonce(before)
    after.join()
    after.tell(DOOR, unlock(given))
    assert moved(after) == 0
    assert last_reason(after) == "no_nonce"
