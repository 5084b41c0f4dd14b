"""Addresses and envelopes are read strictly, and say which part is wrong."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import topics
from domain.clock_offset import TOLERANCE_MS, least_offset, time_of
from domain.envelope import Envelope, read_envelope
from domain.errors import BadMessage, BadTopic
from domain.ids import DeviceId, edge_box

DOOR = DeviceId("331002-0001", "door_lock", 1)


@pytest.mark.parametrize(
    "topic",
    [
        topics.telemetry("331002", DOOR),
        topics.event("331002", DOOR),
        topics.reply("331002", DOOR),
        topics.command("331002", DOOR),
    ],
)
def test_what_is_written_can_be_read(topic: str) -> None:
    parsed = topics.parse(topic)
    assert (parsed.adcode, parsed.device) == ("331002", DOOR)


def test_a_link_names_its_speaker() -> None:
    assert topics.parse(topics.link("331002", edge_box("331002-0001"))).device == edge_box("331002-0001")


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("a/b", "topic"),
        ("ws/331002/331002-0001/bulk/door_lock/1/telemetry/x", "topic"),
        ("ws/33 02/331002-0001/bulk/door_lock/1/telemetry", "topic.adcode"),
        ("ws/331002/../bulk/door_lock/1/telemetry", "topic.station"),
        ("ws/331002/331002-0001/side/door_lock/1/telemetry", "topic.lane"),
        ("ws/331002/331002-0001/bulk/door_lock/01/telemetry", "topic.n"),
        ("ws/331002/331002-0001/bulk/door_lock/１/telemetry", "topic.n"),
        ("ws/331002/331002-0001/bulk/door_lock/1/event", "topic.leaf"),
    ],
)
def test_a_wrong_topic_says_which_level(topic: str, path: str) -> None:
    with pytest.raises(BadTopic) as refused:
        topics.parse(topic)
    assert refused.value.path == path


@given(st.text(max_size=60))
def test_any_text_is_a_topic_or_a_bad_topic(text: str) -> None:
    with contextlib.suppress(BadTopic):
        topics.parse(text)


def body(**changes: object) -> dict[str, object]:
    return {"v": 1, "ts": 1_790_000_000_000, "boot": "a", "seq": 5, "low": 3, **changes}


def test_a_sound_envelope_is_read() -> None:
    assert read_envelope(body()) == Envelope(1_790_000_000_000, "a", 5, 3)


def test_a_device_without_a_clock_says_null() -> None:
    assert read_envelope(body(ts=None)).ts_ms is None


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"ts": 1_790_000_000}, "ts", "seconds"),
        ({"ts": "now"}, "ts", "bad_envelope"),
        ({"ts": -1}, "ts", "bad_envelope"),
        ({"ts": 1.5}, "ts", "bad_envelope"),
        ({"seq": -1}, "seq", "bad_envelope"),
        ({"seq": True}, "seq", "bad_envelope"),
        ({"seq": "5"}, "seq", "bad_envelope"),
        ({"boot": ""}, "boot", "bad_envelope"),
        ({"boot": "a b"}, "boot", "bad_envelope"),
        ({"boot": 7}, "boot", "bad_envelope"),
        ({"low": 6}, "low", "bad_envelope"),
        ({"v": 2}, "v", "bad_envelope"),
        ({"v": True}, "v", "bad_envelope"),
    ],
)
def test_a_wrong_envelope_says_which_field(change: dict[str, object], path: str, reason: str) -> None:
    with pytest.raises(BadMessage) as refused:
        read_envelope(body(**change))
    assert (refused.value.path, refused.value.reason) == (path, reason)


NOW = 1_790_000_000_000
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("what", "ts_ms", "offset_ms", "caught_up", "expected"),
    [
        ("no clock: hub time, no fault", None, None, True, (NOW, False)),
        ("a good clock: its own time", NOW - 40, 40, True, (NOW - 40, False)),
        ("an old message of a good clock is simply late", NOW - HOUR, 40, True, (NOW - HOUR, False)),
        ("a clock two minutes ahead is brought back", NOW + 120_000, -120_000, True, (NOW, False)),
        ("an hour ahead: hub time and a fault", NOW + HOUR, -HOUR, True, (NOW, True)),
        ("an hour behind, caught up: hub time and a fault", NOW - HOUR, HOUR, True, (NOW, True)),
        ("an hour behind with a backlog may be the backlog", NOW - HOUR, HOUR, False, (NOW - HOUR, False)),
        ("an hour ahead is a fault even with a backlog", NOW + HOUR, -HOUR, False, (NOW, True)),
        ("1970 from a clock that was right: hub time and a fault", 5_000, 40, False, (NOW, True)),
        ("an hour ahead from a clock that was right: a fault", NOW + HOUR, 40, True, (NOW, True)),
        ("1970: hub time and a fault", 5_000, NOW - 5_000, True, (NOW, True)),
    ],
)
def test_which_time_counts(
    what: str, ts_ms: int | None, offset_ms: int | None, caught_up: bool, expected: tuple[int, bool]
) -> None:
    assert tuple(time_of(ts_ms, NOW, offset_ms, caught_up)) == expected


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), min_size=1, max_size=20))
def test_the_offset_is_the_least_delay_in_any_order(pairs: list[tuple[int, int]]) -> None:
    known: int | None = None
    for ts_ms, received_ms in pairs:
        known = least_offset(known, ts_ms, received_ms)
    assert known == min(received - ts for ts, received in pairs)
    assert TOLERANCE_MS == 300_000


def test_one_message_from_the_future_does_not_spoil_a_clock_that_was_right() -> None:
    assert least_offset(40, NOW + HOUR, NOW) == 40


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    assert least_offset(-HOUR, NOW - 50, NOW) == 50
