"""Commands: made once, claimed once, ended by whoever looks, and never signed after their end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.ids import DeviceId
from storage import commands
from storage.commands import NewCommand
from storage.database import Database

DOOR = DeviceId("331002-0001", "door_lock", 1)
SLOT = DeviceId("331002-0001", "swap_cabinet", 1)


def unlock(db: Database, id_: str, *, age_ms: int = 0, device: DeviceId = DOOR) -> bool:
    with db.write() as conn:
        requested_ms = db.now_ms(conn) - age_ms
        new = NewCommand(
            id_, device, "331002", "unlock", {"open_s": 5}, "access:a", False, requested_ms, "t1"
        )
        return commands.create(conn, new)


def release(db: Database, id_: str, *, age_ms: int = 0) -> None:
    with db.write() as conn:
        requested_ms = db.now_ms(conn) - age_ms
        new = NewCommand(id_, SLOT, "331002", "cut_power", {}, "alert:x", True, requested_ms, "rules")
        assert commands.create_many(conn, [new]) == [id_]


def claim(db: Database, epoch: int = 7) -> list[commands.CommandRow]:
    with db.write() as conn:
        return commands.claim_created(conn, epoch, db.now_ms(conn))


def move(db: Database, id_: str, from_state: str, to_state: str, **more: str) -> bool:
    with db.write() as conn:
        return commands.step(conn, id_, [from_state], to_state, db.now_ms(conn), **more)


def found(db: Database, id_: str) -> commands.CommandRow:
    with db.read() as conn:
        row = commands.by_id(conn, id_)
        assert row is not None
        return row


def states(db: Database, id_: str) -> list[str]:
    with db.read() as conn:
        return [one.state for one in commands.steps(conn, id_)]


def test_a_command_is_claimed_once_with_its_age_by_the_database_clock(db: Database) -> None:
    assert unlock(db, "c1", age_ms=1_200)
    (row,) = claim(db)
    assert row.id == "c1"
    assert row.device == DOOR
    assert row.args == {"open_s": 5}
    assert row.state == "preparing"
    assert row.claimed_epoch == 7
    assert 1_200 <= row.age_ms < 2_900
    assert claim(db) == []
    assert states(db, "c1") == ["created", "preparing"]


def test_an_unlock_older_than_three_seconds_is_ended_and_never_handed_out(db: Database) -> None:
    unlock(db, "old", age_ms=3_001)
    assert claim(db) == []
    row = found(db, "old")
    assert (row.state, row.reason, row.final) == ("expired", "hub_late", True)


def test_an_unlock_from_the_future_is_refused(db: Database) -> None:
    unlock(db, "ahead", age_ms=-60_000)
    assert claim(db) == []
    assert found(db, "ahead").state == "expired"


def test_what_must_hold_is_handed_out_however_old_it_is(db: Database) -> None:
    release(db, "r1", age_ms=3_600_000)
    assert [row.id for row in claim(db)] == ["r1"]


def test_what_must_hold_starts_again_as_the_next_attempt_at_its_time(db: Database) -> None:
    release(db, "r1")
    claim(db)
    assert move(db, "r1", "preparing", "sent")
    with db.write() as conn:
        now_ms = db.now_ms(conn)
        assert commands.again(conn, "r1", now_ms + 60_000, now_ms, "no nonce")
    assert claim(db) == []
    with db.write() as conn:
        (row,) = commands.claim_created(conn, 8, db.now_ms(conn) + 60_001)
    assert (row.attempt, row.claimed_epoch) == (2, 8)
    assert states(db, "r1") == ["created", "created", "preparing"]


def test_an_unlock_never_starts_again(db: Database) -> None:
    unlock(db, "c1")
    claim(db)
    with db.write() as conn:
        assert not commands.again(conn, "c1", 0, 0)


def test_one_unlock_in_flight_a_door(db: Database) -> None:
    assert unlock(db, "c1")
    assert not unlock(db, "c2")
    assert unlock(db, "c3", device=DeviceId("331002-0001", "door_lock", 2))
    with db.read() as conn:
        running = commands.in_flight(conn, DOOR)
    assert running is not None
    assert running.id == "c1"
    claim(db)
    assert move(db, "c1", "preparing", "no_answer")
    assert unlock(db, "c2")


def test_of_many_at_once_one_gets_the_door(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: unlock(db, f"c{n}"), range(20)))
    assert sum(taken) == 1


def test_a_step_is_taken_only_from_the_state_it_expects(db: Database) -> None:
    unlock(db, "c1")
    assert not move(db, "c1", "preparing", "sent")
    claim(db)
    assert move(db, "c1", "preparing", "sent", detail="nonce after 0.4 s")
    assert not move(db, "c1", "preparing", "no_answer")
    assert move(db, "c1", "sent", "rejected", reason="door_open")
    row = found(db, "c1")
    assert (row.state, row.reason, row.final) == ("rejected", "door_open", True)
    with db.read() as conn:
        assert commands.steps(conn, "c1")[2].detail == "nonce after 0.4 s"
        assert commands.open_commands(conn) == []


@pytest.mark.parametrize(
    "state, age_ms, ended, reason",
    [
        ("created", 3_100, "expired", "hub_late"),
        ("created", 2_000, None, None),
        ("preparing", 3_600, "no_answer", "no_nonce"),
        ("preparing", 2_000, None, None),
        ("sent", 10_600, "no_answer", "no_reply"),
        ("accepted", 10_600, "no_answer", "no_reply"),
        ("accepted", 8_000, None, None),
        ("done", 60_000, None, None),
    ],
)
def test_whoever_looks_ends_an_unlock_that_ran_out_of_time(
    db: Database, state: str, age_ms: int, ended: str | None, reason: str | None
) -> None:
    unlock(db, "c1", age_ms=age_ms)
    if state != "created":
        assert move(db, "c1", "created", state)
    assert commands.is_overdue(found(db, "c1")) == (ended is not None)
    with db.write() as conn:
        assert commands.end_overdue(conn, db.now_ms(conn)) == (["c1"] if ended else [])
    row = found(db, "c1")
    assert (row.state, row.reason) == (ended or state, reason)


def test_an_unlock_whose_bolt_moved_stays_open_to_what_the_door_says(db: Database) -> None:
    unlock(db, "c1")
    claim(db)
    assert move(db, "c1", "preparing", "done")
    assert not found(db, "c1").final
    with db.read() as conn:
        assert [row.id for row in commands.open_commands(conn)] == ["c1"]
    assert unlock(db, "c2"), "the next person need not wait for the first to walk in"
    assert move(db, "c1", "done", "opened")
    assert found(db, "c1").final


def test_ids_sort_by_time_and_differ() -> None:
    ids = [commands.new_id(now_ms) for now_ms in (5, 5, 1_700_000_000_000, 1_900_000_000_000)]
    assert ids[1:] == sorted(ids[1:])
    assert len(set(ids)) == 4
    assert {len(id_) for id_ in ids} == {24}
