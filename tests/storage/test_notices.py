"""Notices: claimed by one sender at a time, sent at least once, and honest about a second time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from storage import notices
from storage.alerts import Ending, open_many, resolve_many
from storage.database import Database
from storage.notices import NoticeRow
from storage.tables import alert
from tests.storage import rows

NOW_MS = 1_795_000_000_000


def tell(db: Database, alert_id: str, what: notices.What = "opened", at_ms: int = NOW_MS) -> bool:
    with db.write() as conn:
        if conn.scalar(sa.select(alert.c.id).where(alert.c.id == alert_id)) is None:
            conn.execute(
                sa.insert(alert).values(
                    id=alert_id, station="331002-0001", adcode="331002", kind="door_lock", n=1, part=0,
                    code=f"door_{alert_id}", severity="emergency", safety=True, state="firing",
                    rulebook_version=1, latched=True, happened_ms=at_ms, learned_ms=at_ms,
                    refuse_entry=False, values_json='{"leaf":"open"}', text_zh="门被撬", text_en="forced",
                    flaps=0, version=1,
                )
            )  # fmt: skip
        return notices.create(conn, alert_id, what, "webhook", at_ms)


def claim(db: Database, by: str = "me", at_ms: int = NOW_MS) -> list[NoticeRow]:
    with db.write() as conn:
        return notices.claim(conn, "webhook", by, at_ms)


def test_a_notice_carries_its_alert_and_is_claimed_once(db: Database) -> None:
    assert tell(db, "x")
    assert not tell(db, "x"), "the same thing is told once"
    (row,) = claim(db)
    assert (row.what, row.attempts, row.repeated, row.claimed_by) == ("opened", 1, False, "me")
    assert row.alert.text_zh == "门被撬"
    assert row.alert.values == {"leaf": "open"}
    assert row.alert.station_name is None
    assert claim(db, "you") == []


def test_two_senders_share_the_work_without_doing_any_twice(db: Database) -> None:
    for n in range(30):
        tell(db, f"x{n}")
    with ThreadPoolExecutor(4) as pool:
        lots = list(pool.map(lambda n: claim(db, f"s{n}"), range(6)))
    ids = [row.id for lot in lots for row in lot]
    assert len(ids) == len(set(ids)) == 30


def test_the_claim_of_a_dead_sender_passes_on_marked_as_repeated(db: Database) -> None:
    tell(db, "x")
    (first,) = claim(db, "dead")
    assert claim(db, "next", NOW_MS + 59_999) == []
    (second,) = claim(db, "next", NOW_MS + 60_000)
    assert (second.repeated, second.attempts) == (True, 2)
    with db.write() as conn:
        assert not notices.sent(conn, first, NOW_MS + 61_000), "its claim is gone"
        assert notices.sent(conn, second, NOW_MS + 61_000)
        assert notices.counts(conn) == {"sent": 1}


def test_what_did_not_arrive_is_tried_again_at_its_time(db: Database) -> None:
    tell(db, "x")
    (row,) = claim(db)
    with db.write() as conn:
        assert notices.retry(conn, row, NOW_MS + 5_000, "refused", maybe_arrived=False)
        assert not notices.due(conn, "webhook", NOW_MS + 4_999)
        assert notices.due(conn, "webhook", NOW_MS + 5_000)
    (row,) = claim(db, at_ms=NOW_MS + 5_000)
    assert (row.attempts, row.repeated) == (2, False)
    with db.write() as conn:
        notices.retry(conn, row, NOW_MS + 9_000, "timed out", maybe_arrived=True)
    (row,) = claim(db, at_ms=NOW_MS + 9_000)
    assert row.repeated
    with db.write() as conn:
        assert notices.failed(conn, row, "404 for ever")
        assert notices.counts(conn) == {"failed": 1}
    assert claim(db, at_ms=NOW_MS + 999_000) == []


def test_that_it_is_over_is_told_after_that_it_began(db: Database) -> None:
    tell(db, "x")
    (opened,) = claim(db)
    tell(db, "x", "resolved", NOW_MS + 1)
    assert claim(db, at_ms=NOW_MS + 2) == []
    with db.write() as conn:
        notices.sent(conn, opened, NOW_MS + 3)
    (resolved,) = claim(db, at_ms=NOW_MS + 4)
    assert resolved.what == "resolved"


def test_who_was_not_told_that_it_began_is_not_told_that_it_is_over(db: Database) -> None:
    tell(db, "x")
    with db.write() as conn:
        assert not notices.create(conn, "x", "resolved", "wecom", NOW_MS)
        assert notices.create(conn, "x", "resolved", "webhook", NOW_MS)


def test_a_channel_that_is_new_hears_of_what_is_open(db: Database) -> None:
    tell(db, "x")
    with db.write() as conn:
        over = rows.alert("w", part=4)
        open_many(conn, [rows.alert("y"), rows.alert("z", severity="info", code="tidy"), over])
        resolve_many(conn, [Ending(over.device, over.part, over.code, NOW_MS, "cleared")])
        assert notices.begin(conn, "webhook", NOW_MS) == 1
        assert notices.begin(conn, "webhook", NOW_MS + 1) == 0
    assert sorted(row.alert.id for row in claim(db)) == ["x", "y"]


def test_what_has_not_arrived_is_known_with_its_age(db: Database) -> None:
    with db.read() as conn:
        assert notices.oldest_ms(conn) is None
    tell(db, "x")
    tell(db, "y", at_ms=NOW_MS + 5_000)
    first, second = claim(db, at_ms=NOW_MS + 6_000)
    with db.write() as conn:
        assert notices.oldest_ms(conn) == NOW_MS, "a claim is no arrival"
        notices.sent(conn, first, NOW_MS + 7_000)
        notices.retry(conn, second, NOW_MS + 60_000, "refused", maybe_arrived=False)
        assert notices.oldest_ms(conn) == NOW_MS + 5_000
    (second,) = claim(db, at_ms=NOW_MS + 60_000)
    with db.write() as conn:
        notices.failed(conn, second, "404 for ever")
        assert notices.oldest_ms(conn) is None, "what never will does not wait"


def test_another_channel_is_another_matter(db: Database) -> None:
    tell(db, "x")
    with db.write() as conn:
        assert notices.claim(conn, "wecom", "me", NOW_MS) == []
        assert notices.create(conn, "x", "opened", "wecom", NOW_MS)
        assert len(notices.claim(conn, "wecom", "me", NOW_MS)) == 1
