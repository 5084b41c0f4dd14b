"""Power: what is cut at once, what rests when nobody is there, and that nobody is ever left in the dark."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.registry import kinds
from domain.ids import DeviceId
from rules.calendar import midnight_ms
from rules.effects import Ask
from rules.premises import FARTHEST_MIN, premises
from rules.rule import STATION as STATION_KIND
from rules.station_view import StationInfo
from tests.rules.hub import MINUTE, SECOND, Hub, shipped
from tests.rules.station_hub import TIMETABLES, StationHub

SWITCH = DeviceId("331002-0001", "power_switch", 1)
FRESH_MS = 180 * SECOND


def at(text: str) -> int:
    """Epoch milliseconds of a time in Zhejiang."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


CLOSING = at("2026-11-23 22:00")


def empty_for(hub: StationHub, minutes: int) -> None:
    """A minute at a time, the counter says that nobody is there."""
    for _ in range(minutes):
        hub.say("occupancy_sensor", presence=False, count_raw=0)
        hub.wait(hub.now_ms + MINUTE)


# ---- circuits -----------------------------------------------------------------------------------------


def test_an_overloaded_circuit_is_switched_off_by_its_number_and_stays_a_job() -> None:
    hub = Hub(SWITCH)
    hub.slot(3, 0, current_a=22.0, rated_a=16.0)
    effects = hub.wait(60)
    assert Ask(SWITCH, 3, "switch_off", "circuit_overload", {"circuit": 3}) in effects
    assert "配电 3 路：电流 22 A" in hub.open[3, "circuit_overload"].text_zh
    hub.slot(3, 120, current_a=0.0)
    assert (3, "circuit_overload") in hub.open


def test_leakage_cuts_everything_at_once_and_a_person_must_end_it() -> None:
    hub = Hub(SWITCH)
    hub.say(0, residual_ma=45.0)
    hub.wait(5)
    assert [one.command for one in hub.asked] == ["cut_power"]
    hub.say(60, residual_ma=0.0)
    assert hub.codes == {"power_leakage"}


def test_a_tripped_breaker_is_told_once_by_event_and_by_state_and_ends_when_closed() -> None:
    hub = Hub(SWITCH)
    hub.event("tripped", 1, part=2)
    hub.slot(2, 2, tripped=True)
    assert len(hub.opened) == 1
    hub.slot(2, 60, tripped=False)
    assert hub.codes == set()


def test_feeding_a_circuit_again_is_for_a_person() -> None:
    command = kinds()["power_switch"].commands["switch_on"]
    assert command.holds is None
    asked = {action.command for rule in shipped().rules for action in rule.actions}
    assert "switch_on" not in asked


def test_a_silent_switch_is_no_news_while_the_station_has_no_mains() -> None:
    hub = Hub(SWITCH)
    hub.say(0, mains_ok=False)
    hub.open_codes = {"mains_lost"}
    hub.wait(1_200)
    assert hub.codes == set()
    hub.open_codes = set()
    hub.wait(1_260)
    assert hub.codes == {"power_offline"}


# ---- closing and opening ------------------------------------------------------------------------------


def test_twenty_minutes_after_the_last_one_left_a_closed_room_is_powered_down_and_that_is_explained() -> None:
    hub = StationHub(CLOSING - 10 * MINUTE)
    empty_for(hub, 29)
    assert hub.commands == []
    empty_for(hub, 3)
    assert hub.commands == ["power_down"]
    alert = hub.open["night_power_off"]
    # Having waited is not having learned late.
    assert alert.text_zh == "【提示】椒江万达驿站：打烊后已 20 分钟无人，已下令关灯、关空调。有人进来灯会亮。"
    assert alert.values["schedule.open"] is False
    assert alert.values["station.surely_empty"] is True
    assert "night_power_off" in {rule.code for rule in shipped().rules if rule.log_only}


def test_who_comes_in_ends_it_and_it_begins_again_after_they_left() -> None:
    hub = StationHub(CLOSING)
    empty_for(hub, 22)
    hub.say("occupancy_sensor", presence=True, count_raw=1)
    assert "night_power_off" not in hub.open
    empty_for(hub, 22)
    assert hub.commands == ["power_down", "power_down"]


def test_an_open_room_is_never_powered_down() -> None:
    hub = StationHub(CLOSING - 5 * 60 * MINUTE)
    empty_for(hub, 4 * 60)
    assert "power_down" not in hub.commands


def test_a_station_that_never_closes_only_rests_its_air_conditioning_when_long_empty() -> None:
    hub = StationHub(CLOSING, hours="24/7")
    hub.say("power_switch", ac_mode="cool", ac_setpoint_c=26.0)
    for _ in range(12):
        hub.say("power_switch", ac_mode="cool")
        empty_for(hub, 5)
    assert hub.commands == []
    hub.say("power_switch", ac_mode="cool")
    empty_for(hub, 3)
    assert hub.commands == ["ac_off"]


@pytest.mark.parametrize(
    "spoil",
    [
        {"presence": None, "count_raw": 0},  # the sensor says that it does not know
        {"presence": False, "count_raw": 1},  # asleep in a corner, or a counter that drifted
        {"presence": True, "count_raw": 0},
    ],
)
def test_without_certainty_the_light_stays_on(spoil: dict[str, bool | int | None]) -> None:
    hub = StationHub(CLOSING)
    for _ in range(120):
        hub.say("occupancy_sensor", **spoil)
        hub.wait(hub.now_ms + MINUTE)
    assert hub.commands == []


def test_a_counter_that_fell_silent_is_no_empty_room() -> None:
    hub = StationHub(CLOSING - 30 * MINUTE)
    hub.say("occupancy_sensor", presence=False, count_raw=0)
    hub.wait(CLOSING + 3 * 60 * MINUTE)
    assert hub.commands == []


def test_a_counter_that_falls_silent_after_the_power_down_ends_its_alert() -> None:
    hub = StationHub(CLOSING)
    empty_for(hub, 22)
    assert "night_power_off" in hub.open
    hub.wait(hub.now_ms + 10 * MINUTE)
    assert "night_power_off" not in hub.open


def test_while_the_door_stands_open_the_light_stays_on() -> None:
    hub = StationHub(CLOSING)
    for _ in range(60):
        hub.say("door_lock", leaf="open")
        empty_for(hub, 1)
    assert hub.commands == []
    hub.say("door_lock", leaf="closed")
    empty_for(hub, 22)
    assert hub.commands == ["power_down"]


def test_before_the_backlog_is_read_nobody_knows_whether_the_room_is_empty() -> None:
    hub = StationHub(CLOSING)
    hub.caught_up = False
    empty_for(hub, 60)
    assert hub.commands == []


def test_while_somebody_calls_for_help_the_light_stays_on() -> None:
    hub = StationHub(CLOSING)
    hub.alarm = True
    empty_for(hub, 60)
    assert hub.commands == []


@pytest.mark.parametrize(
    "air_c, command, setpoint_c",
    [(33.0, "ac_cool", 26), (5.0, "ac_heat", 20), (22.0, None, None)],
)
def test_half_an_hour_before_opening_a_hot_or_cold_room_is_made_ready(
    air_c: float, command: str | None, setpoint_c: int | None
) -> None:
    opening = at("2026-11-24 08:00")
    hub = StationHub(opening - 90 * MINUTE)
    while hub.now_ms < opening + 5 * MINUTE:
        hub.say("climate_sensor", temp_c=air_c, mains_ok=True)
        hub.say("occupancy_sensor", presence=True, count_raw=1)
        hub.wait(hub.now_ms + MINUTE)
        if hub.now_ms < opening - 31 * MINUTE:
            assert hub.commands == []
    assert hub.commands == ([command] if command else [])
    if command:
        at_ms, ask = hub.asked[0]
        assert opening - 31 * MINUTE <= at_ms <= opening - 29 * MINUTE
        assert ask.args == {"setpoint_c": setpoint_c}
        assert "30 分钟后开门" in hub.opened[-1].text_zh
    assert not {"pre_cool", "pre_heat"} & hub.open.keys()


def test_the_power_down_of_the_night_does_not_undo_what_was_made_ready_for_the_morning() -> None:
    opening = at("2026-11-24 08:00")
    hub = StationHub(opening - 3 * 60 * MINUTE)
    while hub.now_ms < opening:
        hub.say("climate_sensor", temp_c=4.0, mains_ok=True)
        empty_for(hub, 1)
    assert hub.commands == ["power_down", "ac_heat"]


def test_mains_are_judged_by_the_meter_first() -> None:
    hub = StationHub(CLOSING)
    hub.say("power_switch", mains_ok=True)
    hub.say("climate_sensor", mains_ok=False)
    hub.wait(CLOSING + MINUTE)
    assert "mains_lost" not in hub.open
    hub.say("power_switch", mains_ok=False)
    hub.wait(CLOSING + 2 * MINUTE)
    assert "mains_lost" in hub.open
    # Nobody says anything any more: no data ends nothing.
    hub.wait(CLOSING + 60 * MINUTE)
    assert "mains_lost" in hub.open
    hub.say("power_switch", mains_ok=True)
    hub.wait(hub.now_ms + 2 * MINUTE)
    assert "mains_lost" not in hub.open


def test_a_meter_that_died_with_the_mains_is_not_believed_for_long() -> None:
    hub = StationHub(CLOSING)
    hub.say("power_switch", mains_ok=True)
    hub.wait(CLOSING + MINUTE)
    hub.say("climate_sensor", mains_ok=False)
    # Nobody says anything more, and yet it is known when it is worth looking again.
    assert hub.look() == CLOSING + 5 * MINUTE
    hub.wait(CLOSING + 6 * MINUTE - 1)
    assert "mains_lost" in hub.open


# ---- whatever happens ---------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["counter", "door", "silence", "alarm", "calm", "restart"]),
        st.sampled_from([True, False, False, False, None]),  # presence
        st.sampled_from([0, 0, 0, 1, -1]),  # count
        st.sampled_from([10, 60, 170, 200, 900, 1300]),  # seconds until the next
    ),
    max_size=25,
)
HOURS = st.sampled_from(
    ["08:00-22:00", "24/7", "Mo-Fr 08:30-17:30; PH off", "20:00-04:00", "off", "nonsense"]
)
DARK = {name for kind in kinds().values() for name, one in kind.commands.items() if one.only_when_empty}


@settings(max_examples=150, deadline=None)
@given(MOVES, HOURS, st.integers(0, 7 * 24 * 60))
def test_nothing_is_switched_off_unless_the_room_has_surely_been_empty_long_enough(
    moves: list[tuple[str, bool | None, int, int]], hours: str, start_min: int
) -> None:
    hub = StationHub(midnight_ms(date(2026, 11, 23)) + start_min * MINUTE, hours)
    said: list[tuple[int, bool]] = []  # when a counter spoke, and whether it spoke of an empty room
    doubts: list[int] = []
    leaf_open = False
    for what, presence, count, seconds in moves:
        before = len(hub.asked)
        if what == "counter":
            said.append((hub.now_ms, presence is False and count <= 0))
            hub.say("occupancy_sensor", presence=presence, count_raw=count)
        elif what == "door":
            leaf_open = presence is True
            hub.say("door_lock", leaf="open" if leaf_open else "closed")
        elif what in ("alarm", "calm"):
            hub.alarm = what == "alarm"
        elif what == "restart":
            # The watch of a station outlives a restart; what is known of its facts must be told again.
            hub.states = {device: type(state)() for device, state in hub.states.items()}
            said.append((hub.now_ms, False))
        if leaf_open or hub.alarm:
            doubts.append(hub.now_ms)
        hub.wait(hub.now_ms + seconds * SECOND)
        for asked_ms, ask in hub.asked[before:]:
            if ask.command not in DARK:
                continue
            rule = shipped().find(ask.code)
            assert rule is not None
            assert rule.kind == STATION_KIND
            since_ms = asked_ms - rule.for_ms
            words = [word for word in said if word[0] <= asked_ms]
            assert words[-1][1], "the last word was not of an empty room"
            assert asked_ms - words[-1][0] < FRESH_MS, "the last word was too old"
            assert all(empty for at_ms, empty in words if at_ms > since_ms)
            assert not [doubt for doubt in doubts if since_ms < doubt <= asked_ms]
            gaps = [at_ms for at_ms, _ in words if at_ms > since_ms - FRESH_MS] + [asked_ms]
            assert all(later - sooner <= FRESH_MS for sooner, later in pairwise(gaps))


@given(HOURS, st.integers(0, 14 * 24 * 60 * 60), st.integers(0, 100))
def test_between_two_deadlines_the_clock_alone_changes_nothing(
    hours: str, start_s: int, share_pct: int
) -> None:
    now_ms = midnight_ms(date(2026, 9, 28)) + start_s * SECOND
    info = StationInfo("331002-0001", "331002", hours, equipped=True)

    def known(ms: int) -> dict[str, object]:
        return dict(premises(info, TIMETABLES, [], {}, ms, alarm=False).values)

    next_ms = premises(info, TIMETABLES, [], {}, now_ms, alarm=False).next_ms
    last_ms = (next_ms if next_ms is not None else now_ms + 60 * 60 * MINUTE) - 1
    assert last_ms >= now_ms
    assert known(now_ms) == known(now_ms + (last_ms - now_ms) * share_pct // 100)
    if next_ms is not None:
        assert known(next_ms) != known(now_ms)
    left = known(now_ms).get("schedule.opens_in_min", 0)
    assert isinstance(left, int)
    assert 0 <= left <= FARTHEST_MIN


def test_a_paused_station_is_closed_and_nothing_is_made_ready_for_it() -> None:
    info = StationInfo("331002-0001", "331002", "08:00-22:00", status="paused")
    told = premises(info, TIMETABLES, [], {}, CLOSING - 60 * MINUTE, alarm=False)
    assert told.values["schedule.open"] is False
    assert told.values["schedule.opens_in_min"] == FARTHEST_MIN
    assert told.next_ms is None


def test_every_command_that_darkens_a_room_is_asked_by_rules_of_certainty_only() -> None:
    """The gateway asks again before it signs; this keeps the rulebook itself honest."""
    assert {"power_down", "lights_off", "ac_off"} <= DARK
    for rule in shipped().rules:
        if any(action.command in DARK for action in rule.actions):
            assert rule.when is not None
            assert "station.surely_empty" in rule.when.reads
            assert rule.clear is not None
            assert "station.surely_empty" in rule.clear.reads
            assert rule.for_ms >= 20 * MINUTE
