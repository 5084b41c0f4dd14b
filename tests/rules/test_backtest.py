"""Stored messages judged again: what a hub says of one device, gaps, late data, boots, and what is alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.backtest import StationReplay
from rules.judges import judges_of
from rules.side_by_side import side_by_side
from rules.stored import StoredDevice, StoredMessage, StoredStation
from rules.tally import BOOKS, Tally
from tests.rules.hub import CABINET, MINUTE, SECOND, T0, Hub, Message, shipped
from tests.rules.short_rules import BOOK, short_rulebook

HERE = CABINET.station
BOX = edge_box(HERE)
COUNTER = DeviceId(HERE, "occupancy_sensor", 1)
DEVICES = tuple(StoredDevice(one, kinds()[one.kind], BOX) for one in (CABINET, COUNTER))


def told(
    at_ms: int,
    device: DeviceId = COUNTER,
    parts: dict[int, dict[str, Value]] | None = None,
    *,
    late_ms: int = 0,
    boot: str = "a",
    seq: int | None = None,
    **own: Value,
) -> StoredMessage:
    """A report that counts at a moment and was received then, or later."""
    number = at_ms - T0 if seq is None else seq
    return StoredMessage(at_ms + late_ms, number, device, BOX, boot, at_ms, at_ms, own, parts or {})


def replayed(
    messages: list[StoredMessage],
    until_ms: int,
    *,
    old: str = BOOK,
    new: str = BOOK,
    away: HubAway | None = None,
    boots: dict[tuple[DeviceId, str], int] | None = None,
) -> tuple[Tally, list[Any]]:
    """The count, and what was noted about alerts."""
    tally, noted = Tally(until_ms), []
    station = StoredStation(HERE, HERE[:6], ("站", "Station"), DEVICES, boots or {})
    sides = side_by_side(short_rulebook(old), short_rulebook(new))
    judges = judges_of(sides, station.names)

    def note(side: Any, episode: Any) -> None:
        noted.append((side, episode))
        tally.note(side, HERE[:6], episode)

    replay = StationReplay(station, judges, away or HubAway(), 0, 0, note)
    for message in messages:
        replay.take(message)
    replay.end(until_ms)
    for judge in judges:
        tally.note_failed(judge.side, judge.watcher.errors)
    return tally, noted


def codes(noted: list[Any]) -> list[str]:
    return sorted(episode.alert.code for _, episode in noted)


STEPS = st.lists(
    st.tuples(
        st.sampled_from((5, 20, 60, 130)),
        st.sampled_from((20.0, 44.0, 50.0, 58.0, 61.0, 80.0)),
        st.booleans(),
        st.sampled_from((1, 2)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_one_cabinet_gets_the_alerts_that_a_hub_gives_it(steps: list[tuple[int, float, bool, int]]) -> None:
    # Equal fields are one object, as the storage hands them out: that is where short cuts are taken.
    shared: dict[tuple[Any, ...], Any] = {}
    hub = Hub(CABINET, shipped())
    at_ms, messages = T0, []
    for after_s, temp_c, smoke, n in steps:
        at_ms += after_s * SECOND
        own = shared.setdefault((smoke,), {"smoke": smoke})
        parts = {
            k: shared.setdefault((k == n, temp_c), {"temp_c": temp_c if k == n else 21.0}) for k in (1, 2)
        }
        seq = at_ms - T0
        hub.wait_until(at_ms)
        hub.take(Message(seq, at_ms, own, parts), at_ms)
        messages.append(StoredMessage(at_ms, seq, CABINET, BOX, "a", at_ms, at_ms, own, parts))
    hub.wait_until(at_ms + 3 * MINUTE)

    station = StoredStation(HERE, HERE[:6], ("站", "Station"), DEVICES[:1], {(BOX, "a"): T0})
    noted: list[Any] = []
    replay = StationReplay(
        station, judges_of(side_by_side(shipped(), shipped()), station.names), HubAway(), 0, 0,
        lambda _side, episode: noted.append(episode),
    )  # fmt: skip
    for message in messages:
        replay.take(message)
    replay.end(at_ms + 3 * MINUTE)

    again = {(e.alert.code, e.alert.part, e.alert.happened_ms) for e in noted if e.alert.device == CABINET}
    assert again == {(one.code, one.part, one.happened_ms) for one in hub.opened}


def test_silence_counts_when_others_are_heard_and_not_while_the_hub_was_away() -> None:
    before, after = T0 + MINUTE, T0 + 11 * MINUTE
    messages = [told(before, count_raw=1), told(after, count_raw=1)]

    assert codes(replayed(messages, after + SECOND)[1]) == ["box_quiet"]
    away = HubAway([(before + SECOND, after - SECOND)])
    assert codes(replayed(messages, after + SECOND, away=away)[1]) == []


def test_a_gap_at_the_end_is_waited_out_on_simulated_time() -> None:
    _, noted = replayed([told(T0, CABINET, {1: {"temp_c": 61.0}})], T0 + 1500)
    ((_, episode),) = noted
    assert (episode.alert.code, episode.alert.learned_ms, episode.ended_ms) == ("hot", T0 + SECOND, None)


def test_late_news_opens_nothing_but_safety_alerts() -> None:
    messages = [
        told(T0 + 10 * MINUTE, CABINET, {1: {"temp_c": 30.0}}),
        told(T0, CABINET, {1: {"temp_c": 80.0}}, late_ms=10 * MINUTE + SECOND),
    ]
    _, noted = replayed(messages, T0 + 10 * MINUTE + 2 * SECOND)
    assert codes(noted) == ["runaway"]


def test_a_new_boot_counts_from_its_begin_whatever_its_numbers() -> None:
    messages = [
        told(T0, CABINET, {1: {"temp_c": 30.0}}, boot="old", seq=900),
        told(T0 + SECOND, CABINET, {1: {"temp_c": 80.0}}, boot="new", seq=1),
    ]
    assert "runaway" in codes(replayed(messages, T0 + 2 * SECOND)[1])
    boots = {(BOX, "old"): T0 - SECOND, (BOX, "new"): T0}
    assert "runaway" in codes(replayed(messages, T0 + 2 * SECOND, boots=boots)[1])


def test_a_division_by_zero_is_counted_and_raises_nothing() -> None:
    tally, noted = replayed([told(T0, count_raw=1), told(T0 + SECOND, count_raw=2)], T0 + 2 * SECOND)
    assert "never" not in codes(noted)
    assert tally.rules["before", "never"].failed == tally.rules["after", "never"].failed == 2


def test_nothing_stored_raises_nothing() -> None:
    tally, noted = replayed([], T0 + 60 * MINUTE)
    assert noted == []
    assert tally.summary() == "0 alerts, as before"


@pytest.mark.parametrize("changed", ["count_raw > 4", "temp_c >= 60, for: 1s", "silent: 5s"])
def test_what_is_judged_once_counts_as_if_it_were_judged_twice(changed: str) -> None:
    messages = []
    for n in range(40):
        at_ms = T0 + n * 1700
        messages.append(
            told(at_ms, CABINET, {1: {"temp_c": (30.0, 64.0, 66.0, 80.0)[n // 3 % 4]}}, smoke=False)
        )
        messages.append(told(at_ms + 300, count_raw=n % 7, presence=True))
    new = BOOK.replace(changed, changed.replace("4", "5").replace("60", "65").replace(" 5s", " 6s"))
    assert new != BOOK
    end_ms = T0 + 100 * SECOND

    split, _ = replayed(messages, end_ms, new=new)
    for book, text in zip(BOOKS, (BOOK, new), strict=True):
        alone, _ = replayed(messages, end_ms, old=text, new=text)
        for code in ("hot", "runaway", "counter_quiet", "box_quiet", "crowd"):
            found, expected = split.rules.get((book, code)), alone.rules.get((book, code))
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                assert (found.alerts, found.open_ms) == (expected.alerts, expected.open_ms)


def test_what_was_said_again_and_again_is_as_young_as_its_last_saying() -> None:
    book = BOOK.replace("temp_c >= 60 && smoke", "temp_c >= 40 && smoke").replace("silent: ", "silent: 1")
    own: dict[str, Value] = {"smoke": False}
    slot: dict[str, Value] = {"temp_c": 45.0}
    messages = []
    for n in range(12):
        at_ms = T0 + n * MINUTE
        messages.append(StoredMessage(at_ms, n, CABINET, BOX, "a", at_ms, at_ms, own, {1: slot}))
    smoke_ms = T0 + 725 * SECOND
    messages.append(StoredMessage(smoke_ms, 99, CABINET, BOX, "a", smoke_ms, smoke_ms, {"smoke": True}, {}))

    _, noted = replayed(messages, smoke_ms + SECOND, old=book, new=book)

    assert "runaway" in codes(noted)
