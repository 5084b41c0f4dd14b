"""What the gateway must find again after it was killed."""

from __future__ import annotations

from devices.state import DeviceState
from domain.facts import Mark
from domain.ids import DeviceId
from domain.watermark import Watermark
from storage import availability, states
from storage.availability import AvailabilityRow
from storage.database import Database
from storage.states import AgesRow, BootRow, SpeakerRow, StateRow
from tests.storage.rows import BOX, LOCK, SENSOR, STATION


def test_a_device_state_comes_back_as_it_was(db: Database) -> None:
    state = DeviceState(seen_ms=5)
    state.own.fold({"bolt": "locked", "battery_pct": 88.5, "forced": None, "note": "雨"}, Mark(1, 2, 3))
    with db.write() as connection:
        states.upsert_states(connection, [StateRow(LOCK, "{}", 5)])
        states.upsert_states(connection, [StateRow(SENSOR, "{}", None), StateRow(LOCK, state.to_json(), 6)])
    with db.read() as connection:
        rows = {row.device: row for row in states.load_states(connection)}
        assert DeviceState.from_json(rows[LOCK].state) == state
        assert rows[LOCK].seen_ms == 6
        assert states.get_state(connection, LOCK) == rows[LOCK]
        assert states.get_state(connection, DeviceId(STATION, "door_lock", 9)) is None
        assert len(states.states_of(connection, STATION)) == 2


def test_a_state_is_as_young_as_its_station_says(db: Database) -> None:
    state = DeviceState(seen_ms=5)
    state.own.fold({"bolt": "locked", "battery_pct": 88.5}, Mark(1, 2, 3))
    with db.write() as connection:
        states.upsert_states(connection, [StateRow(LOCK, state.to_json(), 5), StateRow(SENSOR, "{}", 4)])
    state.own.repeat({"bolt": "locked"}, Mark(1, 8, 90), 10**15)
    state.seen_ms = 95
    with db.write() as connection:
        states.upsert_ages(connection, [AgesRow(STATION, {LOCK.short: state.ages()}, 100)])
    with db.read() as connection:
        found = states.get_state(connection, LOCK)
        assert found is not None
        assert found.seen_ms == 95
        assert DeviceState.from_json(found.state, found.ages) == state
        assert {row.device: row.seen_ms for row in states.states_of(connection, STATION)} == {
            LOCK: 95, SENSOR: 4,
        }  # fmt: skip
        assert [(row.station, row.written_ms) for row in states.load_ages(connection)] == [(STATION, 100)]


def test_old_ages_do_not_make_a_newer_state_older(db: Database) -> None:
    state = DeviceState(seen_ms=5)
    state.own.fold({"bolt": "locked"}, Mark(1, 2, 3))
    old = state.ages()
    state.own.fold({"bolt": "open", "leaf": "ajar"}, Mark(1, 3, 9))
    state.seen_ms = 9
    with db.write() as connection:
        states.upsert_ages(connection, [AgesRow(STATION, {LOCK.short: old}, 6)])
        states.upsert_states(connection, [StateRow(LOCK, state.to_json(), 9)])
    with db.read() as connection:
        found = states.get_state(connection, LOCK)
    assert found is not None
    assert found.seen_ms == 9
    assert DeviceState.from_json(found.state, found.ages) == state


def test_speakers_and_boots_come_back_as_they_were(db: Database) -> None:
    speaker = SpeakerRow(BOX, "online", 3, "b2", 50, 60, 4, {"config": "7", "fw": "1.0"}, 55)
    boot = BootRow(BOX, "b2", 50, 49, -3, Watermark(7, [[9, 12], [20, 20]]), 60)
    with db.write() as connection:
        states.upsert_speakers(connection, [speaker._replace(link="unknown", versions={})])
        states.upsert_speakers(connection, [speaker])
        states.upsert_boots(connection, [boot, boot._replace(boot="b1", watermark=Watermark())])
    with db.read() as connection:
        assert states.load_speakers(connection) == [speaker]
        assert states.load_speakers(connection, STATION) == [speaker]
        assert states.load_speakers(connection, "331002-0002") == []
        assert boot in states.load_boots(connection)


def test_old_boots_are_forgotten_but_never_the_current_one(db: Database) -> None:
    with db.write() as connection:
        states.upsert_speakers(connection, [SpeakerRow(BOX, "offline", 3, "now", 50, 60, 0, {}, 55)])
        for name, updated_ms in (("now", 1), ("old", 1), ("young", 100)):
            states.upsert_boots(connection, [BootRow(BOX, name, 0, None, None, Watermark(), updated_ms)])
        assert states.prune_boots(connection, 50) == 1
        assert {row.boot for row in states.load_boots(connection)} == {"now", "young"}


def test_availability_is_read_by_what_changed(db: Database) -> None:
    facts: dict[str, object] = {
        "devices": {"door_lock/1": {"leaf": ["closed", 1, 2]}},
        "lockdown": None,
        "link": {},
    }
    with db.write() as connection:
        first = availability.upsert_many(
            connection,
            [AvailabilityRow(STATION, "331002", facts, 5), AvailabilityRow("331002-0002", "331002", {}, 5)],
        )
    with db.write() as connection:
        availability.upsert_many(
            connection, [AvailabilityRow(STATION, "331002", {**facts, "lockdown": 1}, 6)]
        )
    with db.read() as connection:
        changed = availability.changed_since(connection, first)
        assert [row.station for row in changed] == ["331002-0002", STATION]
        assert [row.station for row in availability.changed_since(connection, changed[0].version)] == [
            STATION
        ]
        assert [row.station for row in availability.load_all(connection)] == [STATION, "331002-0002"]
        found = availability.get(connection, STATION)
        assert found is not None
        assert found.facts == {**facts, "lockdown": 1}
        assert availability.get(connection, "331002-0003") is None
