"""Facts end the same in whatever order the messages come, and each knows how old it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.fold import apply
from devices.registry import kinds
from devices.state import SELF, DeviceState
from domain.facts import Mark, Value

CABINET = kinds()["swap_cabinet"]
OCCUPANCY = kinds()["occupancy_sensor"]
Message = tuple[Mark, dict[str, Value], dict[int, dict[str, Value]]]


def folded(kind_name: str, messages: list[Message]) -> DeviceState:
    state = DeviceState()
    for mark, fields, parts in messages:
        apply(kinds()[kind_name], state, None, fields, parts, mark)
    return state


def picture(state: DeviceState) -> dict[int, tuple[dict[str, Value], dict[str, Mark]]]:
    return {n: (facts.values, facts.marks) for n, facts in state.parts.items()}


def test_a_present_field_sets_value_and_age_and_an_absent_one_keeps_both() -> None:
    state = folded(
        "occupancy_sensor",
        [(Mark(0, 1, 100), {"count_raw": 3, "presence": True}, {}), (Mark(0, 2, 200), {"count_raw": 4}, {})],
    )
    assert (state.own.values["count_raw"], state.own.as_of("count_raw")) == (4, 200)
    assert (state.own.values["presence"], state.own.as_of("presence")) == (True, 100)


def test_a_late_message_is_history_only() -> None:
    state = folded("occupancy_sensor", [(Mark(0, 2, 200), {"count_raw": 4}, {})])
    changes = apply(OCCUPANCY, state, None, {"count_raw": 9}, {}, Mark(0, 1, 100))
    assert state.own.values["count_raw"] == 4
    assert changes.stale == [(SELF, {"count_raw": 9})]


def test_a_newer_boot_beats_any_number_of_an_older_one() -> None:
    state = folded(
        "occupancy_sensor",
        [(Mark(10, 0, 300), {"count_raw": 1}, {}), (Mark(5, 900, 250), {"count_raw": 7}, {})],
    )
    assert state.own.values["count_raw"] == 1


def test_slots_of_several_messages_merge_by_their_number() -> None:
    state = folded(
        "swap_cabinet",
        [
            (Mark(0, 1, 1), {}, {1: {"temp_c": 30.0}, 2: {"temp_c": 31.0}}),
            (Mark(0, 2, 2), {}, {2: {"temp_c": 33.0}, 3: {"temp_c": 34.0}}),
        ],
    )
    assert {n: facts.values["temp_c"] for n, facts in state.parts.items() if n} == {1: 30.0, 2: 33.0, 3: 34.0}


def test_nothing_of_what_is_shared_changes() -> None:
    origin = folded("swap_cabinet", [(Mark(0, 1, 1), {"smoke": False}, {1: {"temp_c": 30.0}})])
    before = origin.to_json()
    copy = origin.copy()
    apply(CABINET, copy, origin, {"smoke": True}, {1: {"temp_c": 80.0}}, Mark(0, 2, 60_000))
    assert origin.to_json() == before
    assert copy.to_json() != before


VALUES = {"count_raw": st.integers(-3, 12) | st.none(), "presence": st.booleans() | st.none()}
SLOT = {"temp_c": st.floats(20, 90) | st.none(), "state": st.sampled_from(["empty", "full"])}


@st.composite
def runs(draw: st.DrawFn) -> list[Message]:
    size = draw(st.integers(1, 12))
    run: list[Message] = []
    for seq in range(size):
        fields: dict[str, Value] = draw(st.fixed_dictionaries({}, optional=VALUES))
        run.append((Mark(0, seq, seq * 20_000), fields, {}))
    return run


@given(runs(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_facts(run: list[Message], rnd: object) -> None:
    shuffled = list(run)
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    assert picture(folded("occupancy_sensor", shuffled)) == picture(folded("occupancy_sensor", run))


@given(
    st.lists(st.fixed_dictionaries({}, optional=SLOT), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_any_order_of_slots_gives_the_same_slots(slots: list[dict[str, Value]], rnd: object) -> None:
    run: list[Message] = [
        (Mark(0, seq, seq * 10_000), {}, {1 + seq % 3: slot}) for seq, slot in enumerate(slots)
    ]
    shuffled = list(run)
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    assert picture(folded("swap_cabinet", shuffled)) == picture(folded("swap_cabinet", run))


@given(runs())
def test_duplicates_change_nothing(run: list[Message]) -> None:
    once = folded("occupancy_sensor", run)
    assert (
        folded("occupancy_sensor", [m for message in run for m in (message, message)]).to_json()
        == once.to_json()
    )


@given(runs())
def test_a_state_comes_back_from_the_database_as_it_was(run: list[Message]) -> None:
    state = folded("occupancy_sensor", run)
    assert DeviceState.from_json(state.to_json()).to_json() == state.to_json()
