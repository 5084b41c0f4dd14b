"""What needs an empty room is asked only while the room surely is empty, and is taken back when it is not."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from devices import fold
from devices.registry import kind_of
from devices.state import DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId, edge_box
from gateway.alerts import take_effects
from gateway.fleet import Fleet, Member, Speaker, StationRecord
from gateway.overlay import Overlay
from gateway.station_view import refresh, station_rules
from gateway.wishes import Wishes
from rules.station_view import StationInfo
from rules.watch import Watcher
from tests.rules.hub import shipped

STATION, ADCODE = "331002-0001", "331002"
KINDS = ("door_lock", "occupancy_sensor", "climate_sensor", "power_switch")
SWITCH = DeviceId(STATION, "power_switch", 1)
MINUTE = 60_000
CLOSED = int(datetime(2026, 11, 23, 23, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


class Town:
    """One station in a gateway's memory, batch after batch, without broker and database."""

    def __init__(self) -> None:
        box = edge_box(STATION)
        info = StationInfo(STATION, ADCODE, "08:00-22:00", capacity=8)
        record = StationRecord(STATION, ADCODE, ("椒江万达", "Wanda"), info=info)
        self.fleet = Fleet(stations={STATION: record}, speakers={box: Speaker(box, ADCODE)})
        for kind in KINDS:
            member = Member(DeviceId(STATION, kind, 1), kind_of(kind), box, ADCODE)
            self.fleet.members[member.device] = member
            record.members.append(member)
        self.watcher = Watcher(shipped())
        self.wishes = Wishes()
        self.seq = 0

    def batch(self, now_ms: int, *, caught_up: bool = True, **said: dict[str, Value]) -> Overlay:
        """What devices said in one batch; `said` by kind."""
        overlay = Overlay(self.fleet, now_ms)
        overlay.caught_up = caught_up
        for kind, fields in said.items():
            device = DeviceId(STATION, kind, 1)
            self.seq += 1
            fold.apply(
                kind_of(kind),
                overlay.state_for_change(device),
                self.fleet.states.get(device),
                fields,
                {},
                Mark(1, self.seq, now_ms),
            )
            overlay.exports.add(device)
        overlay.heard.add(STATION)
        return overlay

    def commit(self, overlay: Overlay) -> list[str]:
        """Judge and adopt; returns the actions that became rows."""
        refresh(overlay, self.fleet, self.watcher)
        made = self.wishes.new_in(overlay, self.fleet)
        self.wishes.take(made)
        self.fleet.states.update(overlay.states)
        for key, opened in overlay.opened.items():
            self.fleet.note_opened(key, overlay.note_of(opened))
        for ended in overlay.ended:
            self.fleet.note_resolved(ended.key)
        self.fleet.stations[STATION].facts.update(overlay.facts.get(STATION, {}))
        return [new.action for _, new in made]

    def empty_until_just_before(self) -> int:
        """Nobody is there for nineteen minutes and fifty seconds after closing; returns that moment."""
        for minute in range(20):
            asked = self.commit(self.batch(CLOSED + minute * MINUTE, occupancy_sensor=EMPTY))
            assert asked == []
        return CLOSED + 20 * MINUTE - 10_000


EMPTY: dict[str, Value] = {"presence": False, "count_raw": 0}
SOMEBODY: dict[str, Value] = {"presence": True, "count_raw": 1}


@pytest.fixture
def town() -> Town:
    return Town()


def test_an_empty_room_is_powered_down_by_a_command_that_names_its_alert(town: Town) -> None:
    town.empty_until_just_before()
    overlay = town.batch(CLOSED + 20 * MINUTE, occupancy_sensor=EMPTY)
    assert town.commit(overlay) == ["power_down"]
    (key,) = overlay.opened
    assert key.code == "night_power_off"


def test_the_deadline_is_met_without_any_message_while_the_last_one_is_fresh(town: Town) -> None:
    town.empty_until_just_before()
    overlay = town.batch(CLOSED + 20 * MINUTE)
    assert town.commit(overlay) == ["power_down"]


def test_a_deadline_is_judged_with_what_came_in_the_same_batch(town: Town) -> None:
    town.empty_until_just_before()
    overlay = town.batch(CLOSED + 20 * MINUTE, occupancy_sensor=SOMEBODY)
    station_rules(overlay, town.fleet, town.watcher, town.fleet.stations[STATION])
    assert overlay.opened == {}
    assert town.commit(overlay) == []


def test_before_the_backlog_is_read_nothing_is_asked(town: Town) -> None:
    town.empty_until_just_before()
    assert town.commit(town.batch(CLOSED + 20 * MINUTE, caught_up=False, occupancy_sensor=EMPTY)) == []


def test_a_station_whose_counter_fell_silent_is_asked_nothing(town: Town) -> None:
    town.empty_until_just_before()
    assert town.commit(town.batch(CLOSED + 25 * MINUTE)) == []


def with_open_wish(town: Town) -> None:
    town.empty_until_just_before()
    assert town.commit(town.batch(CLOSED + 20 * MINUTE, occupancy_sensor=EMPTY)) == ["power_down"]
    assert town.wishes.settled(town.batch(CLOSED + 20 * MINUTE + 1000), town.fleet) == []


@pytest.mark.parametrize(
    "said, at_ms, caught_up",
    [
        ({"occupancy_sensor": SOMEBODY}, CLOSED + 21 * MINUTE, True),
        ({"occupancy_sensor": {"presence": None}}, CLOSED + 21 * MINUTE, True),
        ({"door_lock": {"leaf": "open"}}, CLOSED + 21 * MINUTE, True),
        ({}, CLOSED + 30 * MINUTE, True),  # the counter is silent
        ({}, CLOSED + 21 * MINUTE, False),  # the hub itself does not know what came since
    ],
)
def test_a_power_down_that_waits_for_its_switch_is_taken_back_when_the_room_is_not_surely_empty(
    town: Town, said: dict[str, dict[str, Value]], at_ms: int, caught_up: bool
) -> None:
    with_open_wish(town)
    overlay = town.batch(at_ms, caught_up=caught_up, **said)
    refresh(overlay, town.fleet, town.watcher)
    (step,) = town.wishes.settled(overlay, town.fleet)
    assert step.to_state == "failed"
    assert {"created", "preparing", "sent", "accepted"} <= set(step.from_states)


def test_a_power_down_is_done_when_the_switch_shows_it(town: Town) -> None:
    with_open_wish(town)
    overlay = town.batch(CLOSED + 21 * MINUTE, power_switch={"lights": False, "ac_mode": "off"})
    refresh(overlay, town.fleet, town.watcher)
    assert [step.to_state for step in town.wishes.settled(overlay, town.fleet)] == ["done"]


def test_an_open_safety_alert_keeps_the_lights_on(town: Town) -> None:
    overlay = town.batch(CLOSED, climate_sensor={"sos": False})
    device = DeviceId(STATION, "climate_sensor", 1)
    effects = town.watcher.event(device, overlay.state(device), "sos", 0, CLOSED, CLOSED, {})
    take_effects(overlay, device, effects, ADCODE)
    town.commit(overlay)
    for minute in range(1, 60):
        assert town.commit(town.batch(CLOSED + minute * MINUTE, occupancy_sensor=EMPTY)) == []


def test_the_clock_alone_brings_a_station_back_to_its_rules(town: Town) -> None:
    overlay = town.batch(CLOSED, occupancy_sensor=SOMEBODY)
    town.commit(overlay)
    # Nothing to wait for until the last two hours before opening at eight.
    morning_ms = CLOSED + 9 * 60 * MINUTE
    assert overlay.wakes == {edge_box(STATION): morning_ms - 115 * MINUTE}


def test_a_station_without_devices_costs_no_looks(town: Town) -> None:
    town.fleet.stations[STATION].members.clear()
    overlay = town.batch(CLOSED)
    town.commit(overlay)
    assert overlay.wakes == {}
    assert isinstance(overlay.states[edge_box(STATION)], DeviceState)
