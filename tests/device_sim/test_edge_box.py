"""The edge box keeps what was not promised, sends it again as the contract says, and no more than that."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.edge_box import BoxSettings, EdgeBox, Sending
from domain.errors import BadMessage
from domain.json_input import MAX_BYTES
from tests.device_sim.stand_in import DOOR, START_MS, HubStandIn

EVENT = {"type": "closed"}


def box(**settings: Any) -> EdgeBox:
    made = EdgeBox("331002", "331002-0001", "b1", BoxSettings(**({"in_flight": 1_000} | settings)))
    made.is_connected(1, 0.0)
    return made


def say(of: EdgeBox, count: int = 1, leaf: str = "event", **more: Any) -> list[int]:
    return [of.say(DOOR, leaf, EVENT if leaf == "event" else {}, START_MS, **more) for _ in range(count)]


def take(of: EdgeBox, at_s: float) -> list[Sending]:
    """What goes out, without link messages; the broker confirms everything at once."""
    sendings = of.take(at_s, START_MS)
    for _ in sendings:
        of.confirmed(of.conn)
    return [sending for sending in sendings if sending.seq is not None]


def seqs(sendings: list[Sending]) -> list[int | None]:
    return [sending.seq for sending in sendings]


def ack(upto: int, also: list[Any] | None = None, **more: Any) -> bytes:
    return json.dumps(
        {"boot": "b1", "upto": upto, "also": also or [], "conn": 1, "store": "s1"} | more
    ).encode()


def test_numbers_rise_over_both_lanes_and_every_message_says_what_is_still_held() -> None:
    speaker = box()
    say(speaker)
    say(speaker, leaf="telemetry")
    say(speaker)
    bodies = [json.loads(sending.payload) for sending in take(speaker, 0.0)]
    assert [(body["seq"], body["low"]) for body in bodies] == [(0, 0), (2, 0), (1, 0)]
    speaker.heard_ack(ack(1), 0.1)
    say(speaker)
    assert [json.loads(sending.payload)["low"] for sending in take(speaker, 0.2)] == [2]


def test_a_promise_removes_exactly_what_it_names() -> None:
    speaker = box()
    say(speaker, 10)
    take(speaker, 0.0)
    speaker.heard_ack(ack(2, [[5, 6], [9, 400_000_000]]), 0.1)
    assert speaker.held == 4
    assert speaker.low == 3


def test_an_ack_for_another_boot_promises_nothing() -> None:
    speaker = box()
    say(speaker, 3)
    take(speaker, 0.0)
    speaker.heard_ack(ack(2, boot="b0"), 0.1)
    assert speaker.held == 3


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{", ack(0, also=[[1]]), ack(0, also=[["a", 2]]), ack(0) * 2, b'{"boot":"b1","upto":true}'],
)
def test_an_ack_that_makes_no_sense_is_refused(payload: bytes) -> None:
    speaker = box()
    say(speaker, 3)
    with pytest.raises(BadMessage):
        speaker.heard_ack(payload, 0.1)
    assert speaker.held == 3


def test_what_later_ones_overtook_is_sent_again_once_a_second_and_dropped_after_five_times() -> None:
    speaker = box()
    say(speaker, 4)
    take(speaker, 0.0)
    speaker.heard_ack(ack(0, [[2, 3]]), 0.1)
    times = [tenth / 10 for tenth in range(1, 120) if take(speaker, tenth / 10)]
    assert times == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert speaker.held == 0
    assert speaker.dropped == 1


def test_the_count_of_dropped_messages_is_told_within_a_minute() -> None:
    speaker = box(capacity=2)
    speaker.take(0.0, START_MS)
    speaker.heard_ack(ack(-1), 0.1)
    say(speaker, 5, leaf="telemetry")
    assert speaker.due_s() <= 60.0
    links = [json.loads(sending.payload) for sending in speaker.take(60.0, START_MS) if sending.seq is None]
    assert [link["dropped"] for link in links] == [3]


def test_lanes_do_not_overtake_each_other() -> None:
    speaker = box()
    say(speaker, leaf="telemetry")
    say(speaker, 3)
    take(speaker, 0.0)
    speaker.heard_ack(ack(-1, [[1, 3]]), 0.1)
    assert [take(speaker, at_s) for at_s in (1.0, 2.0, 5.0, 9.9)] == [[], [], [], []]


def test_a_slow_hub_makes_nothing_missing() -> None:
    speaker = box()
    say(speaker, 50)
    take(speaker, 0.0)
    for upto in range(0, 49, 7):
        speaker.heard_ack(ack(upto), 1.0 + upto)
        assert len(take(speaker, 1.0 + upto)) <= 1
    assert speaker.dropped == 0


def test_on_a_time_out_only_the_oldest_of_each_lane_is_sent_again_at_doubling_intervals() -> None:
    speaker = box()
    say(speaker, 3)
    say(speaker, 3, leaf="telemetry")
    take(speaker, 0.0)
    sent = {}
    for second in range(1, 1_500):
        if again := seqs(take(speaker, float(second))):
            sent[second] = again
    assert sent == {at: [0, 3] for at in (10, 30, 70, 150, 310, 610, 910, 1210)}
    assert speaker.dropped == 0


def test_a_hub_that_is_slow_and_goes_on_is_told_nothing_twice() -> None:
    speaker = box()
    say(speaker, 6, leaf="telemetry")
    take(speaker, 0.0)
    for upto, second in enumerate(range(8, 48, 8)):
        speaker.heard_ack(ack(upto), float(second))
        assert take(speaker, second + 7.9) == []
    assert speaker.held == 1
    assert take(speaker, 119.0) == []
    assert seqs(take(speaker, 120.0)) == [5]


def test_who_learns_that_the_hub_is_slow_asks_less_and_less_and_then_not_at_all() -> None:
    speaker = box()
    waits_s, sent_s = 30.0, []
    for n in range(6):
        say(speaker, leaf="telemetry")
        begin_s = n * 100.0
        for second in range(int(waits_s)):
            sent_s += [begin_s + second for _ in take(speaker, begin_s + second)]
        speaker.heard_ack(ack(n), begin_s + waits_s)
    assert sent_s == [0.0, 10.0, 100.0, 120.0, 200.0, 300.0, 400.0, 500.0]


def test_after_a_reconnect_everything_held_is_sent_once_quick_first() -> None:
    speaker = box()
    say(speaker, 2, leaf="telemetry")
    say(speaker, 2)
    take(speaker, 0.0)
    speaker.heard_ack(ack(0), 0.1)
    speaker.is_lost(1)
    say(speaker)
    assert take(speaker, 5.0) == []
    speaker.is_connected(2, 6.0)
    assert seqs(take(speaker, 6.0)) == [2, 3, 4, 1]
    assert take(speaker, 7.0) == []


def test_old_evidence_of_missing_messages_ends_with_the_connection() -> None:
    speaker = box()
    say(speaker, 3)
    take(speaker, 0.0)
    speaker.heard_ack(ack(-1, [[1, 2]]), 0.1)
    speaker.is_lost(1)
    speaker.is_connected(2, 10.0)
    assert seqs(take(speaker, 10.0)) == [0]
    assert take(speaker, 15.0) == []


def test_a_new_store_gets_everything_again_that_is_still_here() -> None:
    speaker = box(keep_acked_s=86_400.0)
    say(speaker, 5)
    take(speaker, 0.0)
    speaker.heard_ack(ack(4), 0.1)
    assert (speaker.held, speaker.kept, speaker.low) == (0, 5, 0)
    speaker.heard_ack(ack(-1, store="s2"), 1.0)
    assert seqs(take(speaker, 1.0)) == [0, 1, 2, 3, 4]
    assert speaker.held == 5


def test_acknowledged_messages_are_kept_for_the_time_given_and_then_forgotten() -> None:
    speaker = box(keep_acked_s=100.0)
    say(speaker, 2)
    take(speaker, 0.0)
    speaker.heard_ack(ack(1), 1.0)
    take(speaker, 100.9)
    assert speaker.kept == 2
    take(speaker, 101.0)
    assert (speaker.kept, speaker.low) == (0, 2)


def test_the_link_is_said_until_an_ack_echoes_its_connection() -> None:
    speaker = box()
    times = [s for s in range(30) if any(x.seq is None for x in speaker.take(float(s), START_MS))]
    assert times == [0, 2, 6, 14]
    speaker.heard_ack(ack(-1, conn=0), 30.0)
    assert speaker.due_s() == 30.0
    speaker.heard_ack(ack(-1, conn=1), 30.0)
    assert speaker.due_s() == math.inf
    speaker.is_lost(1)
    speaker.is_connected(2, 40.0)
    (again,) = speaker.take(40.0, START_MS)
    assert json.loads(again.payload) == {
        "v": 1, "ts": START_MS, "boot": "b1", "conn": 2, "online": True, "versions": {}, "dropped": 0,
    }  # fmt: skip


def test_the_will_names_its_own_connection() -> None:
    topic, payload = box().will(7)
    assert topic == "ws/331002/331002-0001/quick/station/0/link"
    assert json.loads(payload) == {"v": 1, "ts": None, "boot": "b1", "conn": 7, "online": False}


def test_overflow_drops_the_oldest_telemetry_first_then_other_events_and_no_safety_event() -> None:
    speaker = box(capacity=4)
    safety = say(speaker, 2, safety=True)
    plain = say(speaker, 2)
    say(speaker, 3, leaf="telemetry")
    assert seqs(take(speaker, 0.0)) == safety + plain
    safety += say(speaker, 4, safety=True)
    assert speaker.held == 6
    assert speaker.dropped == 5
    speaker.is_lost(1)
    speaker.is_connected(2, 1.0)
    assert seqs(take(speaker, 1.0)) == safety


def test_acknowledged_messages_give_way_before_unacknowledged_ones() -> None:
    speaker = box(capacity=3, keep_acked_s=1_000.0)
    say(speaker, 3, leaf="telemetry")
    take(speaker, 0.0)
    speaker.heard_ack(ack(1), 0.1)
    say(speaker, 2, leaf="telemetry")
    assert (speaker.held, speaker.kept, speaker.dropped) == (3, 0, 0)


def test_no_more_is_in_flight_than_allowed_and_bulk_never_blocks_quick() -> None:
    speaker = box(in_flight=5)
    say(speaker, 50, leaf="telemetry")
    first = speaker.take(0.0, START_MS)
    assert len(first) == 5  # the link and four readings
    say(speaker, 1)
    assert [sending.seq for sending in speaker.take(0.0, START_MS)] == [50]
    assert speaker.take(0.0, START_MS) == []
    for _ in range(3):
        speaker.confirmed(1)
    assert len(speaker.take(0.1, START_MS)) == 2


def test_a_slow_box_sends_at_its_own_pace() -> None:
    speaker = box(sends_per_s=2.0)
    say(speaker, 10)
    assert sum(len(take(speaker, tenth / 10)) for tenth in range(21)) == 5


def test_a_message_beyond_16_kib_is_never_made() -> None:
    speaker = box()
    with pytest.raises(BadMessage, match="split it"):
        speaker.say(DOOR, "telemetry", {"x": "a" * MAX_BYTES}, START_MS)
    assert speaker.held == 0
    speaker.say(DOOR, "telemetry", {"x": "站" * 5_000}, None)
    (sending,) = take(speaker, 0.0)
    assert len(sending.payload) <= MAX_BYTES


def test_with_one_unreadable_and_one_lost_message_in_a_hundred_the_buffer_empties_in_ten_seconds() -> None:
    speaker, hub = box(), HubStandIn()
    for n in range(100):
        say(speaker, garbled=b"\xff rubbish" if n == 5 else None)
    lost = {7}
    tenth = 0
    while speaker.held and tenth < 100:
        tenth += 1
        for sending in speaker.take(tenth / 10, START_MS):
            speaker.confirmed(1)
            if sending.seq in lost:
                lost.discard(sending.seq)
                continue
            hub.take(sending.topic, sending.payload)
        speaker.heard_ack(hub.ack("b1"), tenth / 10)
    assert speaker.held == 0
    assert tenth <= 70
    assert sorted(one.envelope.seq for one in hub.kept) == [n for n in range(100) if n != 5]
    assert speaker.dropped == 1
    assert len(hub.refused) == 6


@given(
    st.lists(
        st.tuples(st.sampled_from(["event", "telemetry", "ack", "lose", "cut", "wait"]), st.integers(0, 12)),
        max_size=60,
    )
)
def test_whatever_is_lost_on_the_way_nothing_promised_is_missing_and_all_arrives_in_the_end(
    story: list[tuple[str, int]],
) -> None:
    speaker, hub, now_s, conn = box(capacity=10_000), HubStandIn(), 0.0, 1

    def carry(losing: bool) -> None:
        for at, sending in enumerate(speaker.take(now_s, START_MS)):
            speaker.confirmed(conn)
            if not (losing and at % 2):
                hub.take(sending.topic, sending.payload)

    said: list[int] = []
    for what, number in story:
        if what in ("event", "telemetry"):
            said += say(speaker, number, leaf=what)
            carry(losing=False)
        elif what == "lose":
            said += say(speaker, number)
            carry(losing=True)
        elif what == "ack":
            speaker.heard_ack(hub.ack("b1"), now_s)
        elif what == "cut":
            speaker.is_lost(conn)
            conn += 1
            speaker.is_connected(conn, now_s)
        else:
            now_s += number / 4
    for _ in range(200):
        now_s += 1.0
        carry(losing=False)
        speaker.heard_ack(hub.ack("b1"), now_s)
    assert speaker.held == 0
    assert speaker.dropped == 0
    assert sorted(one.envelope.seq for one in hub.kept) == said
