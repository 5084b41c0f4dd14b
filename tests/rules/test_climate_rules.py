"""The room: smoke opens the door to leave and closes it to enter, a call for help is told at once."""

from __future__ import annotations

import pytest

from domain.facts import StationFact
from domain.ids import DeviceId
from rules.access import AccessFacts, AccessRequest, Denied, Policy, decide
from rules.calendar import Calendar
from rules.effects import Ask, OpenAlert
from rules.station_view import Lockdown, StationInfo, StationView
from tests.rules.hub import HOUR, MINUTE, T0, Hub, Message

SENSOR = DeviceId("331002-0001", "climate_sensor", 1)


def warm(hub: Hub, at_s: float, temp_c: float, **more: bool) -> None:
    hub.say(at_s, temp_c=temp_c, **{"smoke": False, "sos": False, **more})


@pytest.mark.parametrize("by_event", [True, False])
def test_smoke_in_the_room_releases_the_door_cuts_power_and_refuses_entry(by_event: bool) -> None:
    hub = Hub(SENSOR)
    if by_event:
        hub.event("smoke", 1)
    else:
        hub.say(1, smoke=True)
        assert hub.asked == []
        hub.wait(4)
    alert = hub.open[0, "room_smoke"]
    assert (alert.severity, alert.safety, alert.latch, alert.refuse_entry) == ("emergency", True, True, True)
    assert [(one.device, one.command) for one in hub.asked] == [("door", "release"), ("power", "cut_power")]
    assert "烟雾报警" in alert.text_zh
    hub.say(600, smoke=False)
    assert hub.codes == {"room_smoke"}
    hub.reset("room_smoke")
    assert hub.codes == set()


def test_while_the_room_smokes_nobody_is_let_in_and_the_page_says_keep_away() -> None:
    view = StationView(
        devices={"door_lock/1": {"bolt": StationFact("locked", T0, T0 + HOUR)}},
        lockdown=Lockdown("room_smoke", T0),
        links={"station/0": "online"},
    )
    info = StationInfo("331002-0001", "331002", "24/7", equipped=True)
    facts = AccessFacts.of(info, view, "door_lock/1", "online", T0 + 1, Calendar())
    for actor in ("worker", "staff"):
        asked = AccessRequest(actor_kind=actor, at_ms=T0 + 1, entitled=True)
        answer = decide(asked, facts, Policy(), T0 + 1)
        assert isinstance(answer, Denied)
        assert (answer.reason, answer.title_zh) == ("safety", "本站有安全警报")


def test_a_call_for_help_is_an_emergency_at_once_that_locks_nobody_out() -> None:
    hub = Hub(SENSOR)
    (opened,) = [one for one in hub.event("sos", 1) if isinstance(one, OpenAlert)]
    assert (opened.severity, opened.safety, opened.refuse_entry) == ("emergency", True, False)
    assert opened.happened_ms == opened.learned_ms
    assert opened.text_zh == "【紧急】椒江万达驿站：有人按下求助按钮，请马上语音确认，必要时拨 120。"
    assert hub.asked == []


def test_a_call_for_help_that_comes_late_is_told_for_a_day_and_says_when_it_was() -> None:
    for late_ms, told in ((23 * HOUR, True), (25 * HOUR, False)):
        hub = Hub(SENSOR)
        hub.take(Message(1, T0, {"sos": True}, {}, "sos"), T0 + late_ms)
        assert (("sos" in hub.codes), hub.codes <= {"sos"}) == (told, True)
    assert Hub(SENSOR).codes == set()


def test_smoke_that_comes_late_and_is_denied_by_newer_word_is_told_and_does_nothing() -> None:
    hub = Hub(SENSOR)
    hub.take(Message(5, T0 + MINUTE, {"smoke": False}), T0 + MINUTE)
    hub.take(Message(4, T0, {"smoke": True}, {}, "smoke"), T0 + MINUTE)
    assert not hub.open[0, "room_smoke"].refuse_entry
    assert hub.asked == []


def test_nothing_inhibits_smoke_or_a_call_for_help() -> None:
    hub = Hub(SENSOR)
    hub.open_codes = {"mains_lost", "station_offline", "room_fire_heat"}
    hub.event("smoke", 1)
    hub.event("sos", 2)
    assert {"room_smoke", "sos"} <= hub.codes


def test_a_fire_without_a_smoke_detector_is_found_by_its_heat() -> None:
    hub = Hub(SENSOR)
    temp_c, at_s = 24.0, 0.0
    for _ in range(5):
        warm(hub, at_s, temp_c)
        at_s += 60
    for _ in range(36):
        temp_c += 2.0
        at_s += 10
        warm(hub, at_s, temp_c)
    alert = hub.open[0, "room_fire_heat"]
    assert alert.refuse_entry
    assert Ask("door", 0, "release", "room_fire_heat", {}) in hub.asked


def test_a_jumping_probe_and_a_summer_afternoon_are_no_fire() -> None:
    hub = Hub(SENSOR)
    for at in range(240):
        warm(hub, at * 60, 95.0 if at % 5 == 4 else 30.0 + at / 24)
    assert "room_fire_heat" not in hub.codes
    assert "climate_jumping" in hub.codes


def test_smoke_without_heat_is_not_called_a_fire() -> None:
    hub = Hub(SENSOR)
    for at in range(20):
        warm(hub, at * 60, 25.0, smoke=at > 5)
    assert "room_smoke" in hub.codes
    assert "room_fire_heat" not in hub.codes


def test_a_wet_floor_is_told_and_ends_only_after_ten_dry_minutes() -> None:
    hub = Hub(SENSOR)
    hub.event("leak", 1)
    assert hub.codes == {"room_leak"}
    assert [(one.device, one.command) for one in hub.asked] == [("water", "close_valve")]
    for minute in range(1, 10):
        hub.say(minute * 60, leak=False)
    hub.say(590, leak=True)
    for minute in range(11, 20):
        hub.say(minute * 60, leak=False)
    assert hub.codes == {"room_leak"}
    assert len({one.happened_ms for one in hub.opened}) == 1
    for minute in range(20, 24):
        hub.say(minute * 60, leak=False)
    assert hub.codes == set()


def test_a_silent_sensor_is_told_as_deafness_unless_the_station_has_no_mains() -> None:
    hub = Hub(SENSOR)
    hub.say(0, smoke=False)
    hub.open_codes = {"mains_lost"}
    hub.wait(1_200)
    assert hub.codes == set()
    hub.open_codes = set()
    hub.wait(1_300)
    assert hub.codes == {"climate_offline"}


def test_a_stuck_thermometer_is_told_after_half_a_day() -> None:
    hub = Hub(SENSOR)
    for at in range(0, 13 * 60, 5):
        hub.say(at * 60, temp_c=21.3)
    assert hub.codes == {"climate_flat"}
    hub.say(14 * 3600, temp_c=21.6)
    assert hub.codes == set()
