"""Requests to be let in: every one is kept, and a key is answered once."""

from __future__ import annotations

from storage import accesses
from storage.accesses import AccessRow
from storage.database import Database


def request(id_: str, at_ms: int = 1_000, *, granted: bool = True, key: str | None = None) -> AccessRow:
    reasons: tuple[str, ...] = () if granted else ("hours", "full")
    reason = "granted" if granted else "hours"
    return AccessRow(id_, at_ms, "331002-0001", 1, "t1", "link", granted, reason, reasons, None, key)


def test_a_refused_request_is_kept_with_all_its_reasons_in_order(db: Database) -> None:
    with db.write() as conn:
        assert accesses.add(conn, request("a1", granted=False))
    with db.read() as conn:
        (row,) = accesses.of_station(conn, "331002-0001", granted=False)
        assert accesses.of_station(conn, "331002-0001", granted=True) == []
    assert row.reasons == ("hours", "full")
    assert row.reason == "hours"


def test_a_key_belongs_to_one_request_of_its_actor(db: Database) -> None:
    with db.write() as conn:
        assert accesses.add(conn, request("a1", key="k"))
        accesses.set_command(conn, "a1", "c1")
        assert not accesses.add(conn, request("a2", key="k"))
        assert accesses.add(conn, request("a3", key="k")._replace(actor="t2"))
    with db.read() as conn:
        row = accesses.by_key(conn, "t1", "k")
        assert row is not None
        assert (row.id, row.command_id) == ("a1", "c1")
        assert accesses.by_key(conn, "t1", "other") is None


def test_requests_without_a_key_are_all_kept(db: Database) -> None:
    with db.write() as conn:
        assert accesses.add(conn, request("a1", 1_000))
        assert accesses.add(conn, request("a2", 2_000))
        assert accesses.add(conn, request("a3", 3_000, granted=False))
    with db.read() as conn:
        assert [row.id for row in accesses.of_station(conn, "331002-0001")] == ["a3", "a2", "a1"]
        assert accesses.granted_since(conn, "331002-0001", 1, "t1", 1_500) == 1
        assert accesses.granted_since(conn, "331002-0001", 2, "t1", 0) == 0
