"""When a station is looked at with each word of its devices, and when only facts and deadlines matter."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Value
from domain.ids import DeviceId
from rules.alert_life import every_word_counts
from tests.rules.hub import MINUTE, Hub
from tests.rules.station_hub import StationHub
from tests.rules.test_power_rules import CLOSING, empty_for

SENSOR, DOOR, CLIMATE = "occupancy_sensor", "door_lock", "climate_sensor"
WORDS = st.one_of(
    st.tuples(st.just(SENSOR), st.fixed_dictionaries({"presence": st.booleans(), "count_raw": st.just(0)})),
    st.tuples(st.just(DOOR), st.fixed_dictionaries({"leaf": st.sampled_from(["open", "closed"])})),
    st.tuples(st.just(CLIMATE), st.fixed_dictionaries({"temp_c": st.sampled_from([-5.0, 20.0, 41.0])})),
)


def test_a_closed_and_empty_station_rests_all_night() -> None:
    hub = StationHub(CLOSING)
    empty_for(hub, 10)
    assert hub.state.watch
    assert not every_word_counts(hub.state.watch)
    empty_for(hub, 15)
    assert "night_power_off" in hub.open
    assert not every_word_counts(hub.state.watch)


def test_a_silence_waits_for_the_next_word() -> None:
    hub = Hub(DeviceId("331002-0001", DOOR, 1))
    hub.say(0, leaf="closed")
    assert not every_word_counts(hub.state.watch)
    hub.wait(400)
    assert (0, "door_offline") in hub.open
    assert every_word_counts(hub.state.watch)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(WORDS, st.integers(0, 12)), min_size=1, max_size=25))
def test_where_no_word_counts_one_that_says_nothing_new_changes_nothing(
    lived: list[tuple[tuple[str, dict[str, Value]], int]],
) -> None:
    hub = StationHub(CLOSING - 5 * MINUTE)
    for (kind, fields), minutes in lived:
        hub.say(kind, **fields)
        hub.wait(hub.now_ms + minutes * MINUTE)
        before, opened, asked = copy.deepcopy(hub.state.watch), len(hub.opened), len(hub.asked)
        if not every_word_counts(before) and minutes == 0:
            hub.say(kind, **fields)
            assert (hub.state.watch, len(hub.opened), len(hub.asked)) == (before, opened, asked)
