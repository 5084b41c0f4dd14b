"""Tokens and sign-in links: shown once, kept as hashes, over when they are over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from storage import audit, tokens
from storage.database import Database
from storage.tables import api_token, sign_in
from storage.tokens import BadToken

NOW_MS = 1_795_000_000_000


def make(db: Database, *, area: str = "3310", expires_ms: int | None = None) -> tuple[tokens.TokenRow, str]:
    with db.write() as conn:
        return tokens.create(
            conn, name="夜班", scopes=["alerts:read"], area=area, now_ms=NOW_MS, expires_ms=expires_ms
        )


def who(db: Database, text: str, now_ms: int = NOW_MS) -> str | None:
    with db.read() as conn:
        row = tokens.by_secret(conn, text, now_ms)
        return None if row is None else row.id


def test_a_token_is_known_by_its_text_and_by_nothing_else(db: Database) -> None:
    row, text = make(db)
    other, other_text = make(db)
    assert who(db, text) == row.id
    assert text.startswith(f"ws_{row.id}_")
    swapped = f"ws_{row.id}_{other_text.rsplit('_', 1)[-1]}"
    for wrong in (
        "",
        text[:-1],
        text + "x",
        text.upper(),
        swapped,
        f"ws_{other.id}",
        "ws_0000000000_" + "a" * 43,
    ):
        assert who(db, wrong) is None


def test_the_database_does_not_hold_the_secret(db: Database) -> None:
    row, text = make(db)
    with db.write() as conn:
        link = tokens.new_sign_in(conn, row.id, NOW_MS)
        kept = str(conn.execute(sa.select(api_token)).all()) + str(conn.execute(sa.select(sign_in)).all())
    assert text[-43:] not in kept
    assert link not in kept


def test_a_revoked_or_expired_token_is_nobody(db: Database) -> None:
    row, text = make(db, expires_ms=NOW_MS + 1_000)
    assert who(db, text, NOW_MS + 999) == row.id
    assert who(db, text, NOW_MS + 1_000) is None
    row, text = make(db)
    with db.write() as conn:
        assert tokens.revoke(conn, row.id, NOW_MS)
        assert not tokens.revoke(conn, row.id, NOW_MS + 5)
    assert who(db, text) is None


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"scopes": ["door:explode"]}, "door:explode"),
        ({"scopes": []}, "at least one"),
        ({"area": "33a"}, "33a"),
        ({"area": "3310020"}, "3310020"),
        ({"name": " "}, "name"),
        ({"expires_ms": NOW_MS}, "later"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(db: Database, wrong: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"name": "x", "scopes": ["door:open"], "area": "331002-0001", "now_ms": NOW_MS}
    with db.write() as conn, pytest.raises(BadToken, match=said):
        tokens.create(conn, **{**good, **wrong})  # type: ignore[arg-type]


def test_a_sign_in_link_works_once_even_for_many_at_once(db: Database) -> None:
    row, _ = make(db)
    with db.write() as conn:
        link = tokens.new_sign_in(conn, row.id, NOW_MS)

    def use(_: int) -> bool:
        with db.write() as conn:
            return tokens.use_sign_in(conn, link, NOW_MS + 1) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_a_sign_in_link_ends_after_a_quarter_of_an_hour_and_with_its_token(db: Database) -> None:
    row, _ = make(db)
    with db.write() as conn:
        late = tokens.new_sign_in(conn, row.id, NOW_MS)
        assert tokens.use_sign_in(conn, late, NOW_MS + tokens.SIGN_IN_LIFE_MS) is None
        orphan = tokens.new_sign_in(conn, row.id, NOW_MS)
        tokens.revoke(conn, row.id, NOW_MS)
        assert tokens.use_sign_in(conn, orphan, NOW_MS + 1) is None
        with pytest.raises(BadToken, match=row.id):
            tokens.new_sign_in(conn, row.id, NOW_MS)
        assert tokens.use_sign_in(conn, "nonsense\udcff", NOW_MS) is None


def test_last_use_is_noted_to_the_minute(db: Database) -> None:
    row, _ = make(db)

    def last(now_ms: int) -> int | None:
        with db.write() as conn:
            tokens.touch(conn, [row.id], now_ms)
            (found,) = tokens.all_tokens(conn)
            return found.last_used_ms

    assert last(NOW_MS) == NOW_MS
    assert last(NOW_MS + 30_000) == NOW_MS
    assert last(NOW_MS + 61_000) == NOW_MS + 61_000


def test_an_act_is_written_down(db: Database) -> None:
    with db.write() as conn:
        audit.note(conn, NOW_MS, "t1", "sign_in", "token:t1", "ok", {"from": "127.0.0.1"})
        audit.note(conn, NOW_MS + 1, "nobody", "sign_in", "link", "refused")
    with db.read() as conn:
        newest, oldest = audit.newest(conn)
        assert audit.newest(conn, action="other") == []
    assert (newest.actor, newest.result, newest.detail) == ("nobody", "refused", {})
    assert oldest.detail == {"from": "127.0.0.1"}
