"""Whatever cannot be understood is kept, found again, and tried again when somebody asks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Conflict, NotFound
from storage import quarantine
from storage.database import Database
from storage.events import append_many
from storage.events import search as search_events
from tests.storage.rows import NOON_MS, bad, event


def test_the_same_bytes_again_only_raise_the_count(db: Database) -> None:
    with db.write() as connection:
        quarantine.put_many(connection, [bad(at_ms=10), bad(at_ms=30), bad("other", at_ms=5)])
        quarantine.put_many(connection, [bad(at_ms=20, reason="too_deep")])
        other, found = quarantine.search(connection)
        assert (found.times, found.first_ms, found.last_ms, found.reason) == (3, 10, 30, "too_deep")
        assert (other.times, other.topic) == (1, "other")


@pytest.mark.parametrize(
    "payload", [b"", b"\x00\xff\xfe", b"x" * 70_000, '{"字":"\\ud800"}'.encode(), b"1e999", b"1" + b"0" * 23]
)
@pytest.mark.parametrize("topic", ["", "a\x00b", "\ud800/\udfff", "ws/" + "长" * 30_000, "'; DROP TABLE"])
def test_any_bytes_under_any_topic_can_be_kept(db: Database, payload: bytes, topic: str) -> None:
    with db.write() as connection:
        quarantine.put_many(
            connection, [bad(topic, payload, path=topic, detail=topic, station=topic, seq=2**70)]
        )
        (found,) = quarantine.search(connection)
        assert found.payload == payload[: 16 * 1024]
        assert found.size == len(payload)
        assert found.whole == (len(payload) <= 16 * 1024)
        assert found.seq is None
        assert quarantine.search(connection, station=found.station) == [found]
        assert quarantine.search(connection, text=topic[:10]) == [found]


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_can_be_thought_of_fails_the_transaction(
    db: Database, text: str, payload: bytes
) -> None:
    with db.write() as connection:
        quarantine.put_many(connection, [bad(text, payload, reason=text, path=text, boot=text)])
        append_many(connection, [event(type=f"x{text}", boot="b", body={text: text})])


def test_the_quarantine_can_be_searched(db: Database) -> None:
    with db.write() as connection:
        quarantine.put_many(
            connection,
            [
                bad("ws/1", b"1", station="331002-0001", path="slots.3.temp_c"),
                bad("ws/2", b"2", station="331002-0002", reason="nul"),
                bad("ws/3", b"3", station="331002-0001", reason="nul", detail="100% wrong"),
            ],
        )

        def topics(**asked: object) -> list[str]:
            return [one.topic for one in quarantine.search(connection, **asked)]  # type: ignore[arg-type]

        assert topics(reason="nul") == ["ws/3", "ws/2"]
        assert topics(station="331002-0001") == ["ws/3", "ws/1"]
        assert topics(text="SLOTS.3") == ["ws/1"]
        assert topics(text="0% w") == ["ws/3"]
        assert topics(text="%") == ["ws/3"]
        last = quarantine.search(connection, limit=2)[-1]
        assert topics(before_id=last.id) == ["ws/1"]


def test_a_replay_is_asked_for_once_and_leaves_its_result(db: Database) -> None:
    with db.write() as connection:
        quarantine.put_many(connection, [bad(payload=b"a"), bad(payload=b"b")])
        second, first = quarantine.search(connection)
        asked = quarantine.ask_replay(connection, first.id, NOON_MS)
        assert quarantine.ask_replay(connection, first.id, NOON_MS + 1) == asked
        other = quarantine.ask_replay(connection, second.id, NOON_MS + 2)
        assert [(one.id, one.message.payload) for one in quarantine.next_replays(connection)] == [
            (asked, b"a"),
            (other, b"b"),
        ]
        assert quarantine.replay_result(connection, asked) is None
        quarantine.finish_replay(connection, asked, "kept as event", NOON_MS + 3, understood=True)
        quarantine.finish_replay(connection, other, "still \x00 not JSON", NOON_MS + 3, understood=False)
        assert quarantine.next_replays(connection) == []
        assert quarantine.replay_result(connection, asked) == "kept as event"
        assert quarantine.get(connection, first.id).state == "replayed"
        assert quarantine.get(connection, second.id).state == "waiting"
        assert quarantine.ask_replay(connection, second.id, NOON_MS + 4) > other
        assert [one.id for one in quarantine.search(connection, state="waiting")] == [second.id]
        quarantine.drop(connection, second.id)
        assert quarantine.search(connection, state="waiting") == []


def test_what_was_cut_cannot_be_replayed(db: Database) -> None:
    with db.write() as connection:
        quarantine.put_many(connection, [bad(payload=b"x" * 20_000)])
        (found,) = quarantine.search(connection)
        with pytest.raises(Conflict, match="16 KiB"):
            quarantine.ask_replay(connection, found.id, NOON_MS)
        with pytest.raises(NotFound):
            quarantine.ask_replay(connection, 999, NOON_MS)
        with pytest.raises(NotFound):
            quarantine.replay_result(connection, 999)


def test_events_are_kept_once_and_found_by_device_type_and_time(db: Database) -> None:
    with db.write() as connection:
        rows = [event(seq=seq, at_ms=NOON_MS + seq, body={"seq": seq, "字": "\x00"}) for seq in range(5)]
        assert append_many(connection, [*rows, event(seq=9, type="reply.done", part=3)]) == 6
        assert append_many(connection, rows[:2]) == 0
    with db.read() as connection:
        found = search_events(connection, device=rows[0].device, from_ms=NOON_MS + 1, to_ms=NOON_MS + 4)
        assert [one.seq for one in found] == [3, 2, 1]
        assert found[0]._replace(id=0) == rows[3]
        assert [one.part for one in search_events(connection, type="reply.done")] == [3]
        assert [one.seq for one in search_events(connection, before_id=found[0].id, limit=2)] == [2, 1]
        assert search_events(connection, area="331002-0001") == []
