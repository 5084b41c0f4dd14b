"""The inbox holds each message once, never more than it may, and forgets ids with their connection."""

from __future__ import annotations

from transport.inbox import Inbox, Incoming


def message(mid: int, payload: bytes = b"", generation: int = 1) -> Incoming:
    return Incoming(generation, mid, "ws/330106/s1/quick/door_lock/1/event", payload, 0)


def offer(inbox: Inbox, one: Incoming, repetition: bool) -> None:
    inbox.offer(one.generation, [(one.mid, repetition, one.topic, one.payload)], one.received_ms)


def test_a_repetition_of_a_held_message_is_dropped_also_after_it_was_taken() -> None:
    inbox = Inbox(10)
    offer(inbox, message(1), repetition=False)
    offer(inbox, message(1), repetition=True)
    assert inbox.take(10) == [message(1)]
    offer(inbox, message(1), repetition=True)
    assert (len(inbox), inbox.repeated, inbox.held) == (0, 2, 1)


def test_after_its_acknowledgement_an_id_is_free_for_another_message() -> None:
    inbox = Inbox(10)
    offer(inbox, message(1, b"A"), repetition=False)
    inbox.release([1])
    offer(inbox, message(1, b"B"), repetition=True)
    assert [kept.payload for kept in inbox.take(10)] == [b"A", b"B"]


def test_a_new_message_with_a_held_id_is_not_taken_for_a_repetition() -> None:
    inbox = Inbox(10)
    offer(inbox, message(1, b"A"), repetition=False)
    offer(inbox, message(1, b"B"), repetition=False)
    assert [kept.payload for kept in inbox.take(10)] == [b"A", b"B"]


def test_what_finds_no_room_is_missed_until_it_comes_again() -> None:
    inbox = Inbox(1)
    offer(inbox, message(1), repetition=False)
    offer(inbox, message(2), repetition=False)
    assert (inbox.refused_full, inbox.missed, inbox.held) == (1, 1, 1)
    inbox.take(1)
    offer(inbox, message(2), repetition=True)
    assert (inbox.missed, inbox.held, len(inbox)) == (0, 2, 1)


def test_hints_without_an_id_are_all_kept_and_never_missed() -> None:
    inbox = Inbox(2)
    for _ in range(3):
        offer(inbox, message(0), repetition=False)
    assert (len(inbox), inbox.held, inbox.missed, inbox.refused_full) == (2, 0, 0, 1)


def test_of_many_that_come_at_once_those_without_room_are_missed() -> None:
    inbox = Inbox(2)
    topic = "ws/330106/s1/bulk/door_lock/1/telemetry"
    inbox.offer(1, [(mid, False, topic, b"%d" % mid) for mid in (1, 2, 3)], 7)
    inbox.offer(1, [(3, True, topic, b"3")], 8)
    assert [kept.payload for kept in inbox.take(10)] == [b"1", b"2"]
    inbox.offer(1, [(2, True, topic, b"2"), (3, True, topic, b"3")], 9)
    assert inbox.take(10) == [Incoming(1, 3, topic, b"3", 9)]
    assert (inbox.accepted, inbox.refused_full, inbox.repeated, inbox.missed) == (3, 2, 1, 0)


def test_a_new_connection_starts_with_no_held_ids_but_keeps_what_waits() -> None:
    inbox = Inbox(10)
    offer(inbox, message(1, b"A"), repetition=False)
    inbox.begin_connection()
    offer(inbox, message(1, b"B", generation=2), repetition=True)
    assert [(kept.generation, kept.payload) for kept in inbox.take(10)] == [(1, b"A"), (2, b"B")]
