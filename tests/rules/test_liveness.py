"""Three layers that are never mixed up: the link, the data, the function."""

from __future__ import annotations

import pytest

from devices import fold
from devices.registry import kinds
from devices.state import DeviceState
from domain.facts import Mark
from rules.liveness import Link, SpeakerWord, Told, data_state, function_state, link_state
from tests.rules.hub import HOUR, MINUTE, SECOND, T0


@pytest.mark.parametrize(
    "word, expected",
    [
        (SpeakerWord("online", T0 - HOUR, T0 - 60 * SECOND), "online"),
        (SpeakerWord("online", T0 - HOUR, T0 - 180 * SECOND), "unknown"),  # three periods missed
        (SpeakerWord("unknown", None, T0 - 10 * SECOND), "online"),  # fresh data make it known
        (SpeakerWord("unknown", None, None), "unknown"),
        (SpeakerWord("offline", T0 - 30 * SECOND, T0 - 40 * SECOND), "offline"),
        (SpeakerWord("offline", T0 - 30 * SECOND, T0 - 10 * SECOND), "online"),  # it spoke after its will did
        (SpeakerWord("offline", T0 - 2 * HOUR, T0 - HOUR), "offline"),
    ],
)
def test_a_link_is_a_hint_that_data_confirm_or_let_go(word: SpeakerWord, expected: Link) -> None:
    assert link_state(word, T0, period_s=60) == expected


def test_data_age_by_themselves() -> None:
    kind = kinds()["swap_cabinet"]
    state = DeviceState()
    assert data_state(kind, state, T0) == "none"
    fold.apply(kind, state, None, {"smoke": False}, {3: {"temp_c": 30.0}}, Mark(T0, 1, T0))
    assert data_state(kind, state, T0 + 3 * MINUTE) == "fresh"
    assert data_state(kind, state, T0 + 3 * MINUTE + 1) == "stale"


@pytest.mark.parametrize(
    "told, expected",
    [
        ([], "unknown"),
        ([Told(T0 - MINUTE, True)], "works"),
        ([Told(T0 - MINUTE, False)], "unknown"),  # once may be chance
        ([Told(T0 - MINUTE, False), Told(T0 - HOUR, False)], "fails"),
        ([Told(T0 - MINUTE, True), Told(T0 - HOUR, False)], "works"),
        ([Told(T0 - 25 * HOUR, False), Told(T0 - 26 * HOUR, False)], "unknown"),
    ],
)
def test_a_device_works_when_it_does_what_it_is_told(told: list[Told], expected: str) -> None:
    assert function_state(told, T0) == expected
