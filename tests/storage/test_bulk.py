"""Many rows at once: what happens to keys that are taken, and what a row costs."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from domain.facts import Value
from domain.ids import DeviceId, edge_box
from storage.bulk import Insert, upsert
from storage.database import Database
from storage.errors import RowRefused
from storage.series import SqlSeries
from storage.series_row import SeriesRow
from storage.states import StateRow, upsert_states
from storage.tables import meta
from storage.texts import json_text, storable
from tests.storage.rows import NOON_MS


def _kept(db: Database) -> dict[str, str]:
    with db.read() as connection:
        rows = connection.execute(sa.select(meta.c.key, meta.c.value).where(meta.c.key != "store"))
        return {key: value for key, value in rows}  # noqa: C416


def test_a_key_that_is_taken_fails_or_keeps_or_replaces(db: Database) -> None:
    with db.write() as connection:
        assert Insert(meta).run(connection, [("a", "1"), ("b", "1")]) == 2
        assert Insert(meta, on_conflict="keep").run(connection, [("a", "2"), ("c", "2")]) == 1
        assert upsert(meta).run(connection, [("b", "3"), ("b", "4")]) == 2
        assert upsert(meta).run(connection, []) == 0
    with pytest.raises(RowRefused), db.write() as connection:
        Insert(meta).run(connection, [("d", "5"), ("a", "5")])
    assert _kept(db) == {"a": "1", "b": "4", "c": "2"}


def test_a_column_that_does_not_exist_is_noticed_when_the_statement_is_made() -> None:
    with pytest.raises(TypeError, match="nothing"):
        Insert(meta, ("key", "nothing"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("字 ok", "字 ok"),
        ("a\x00b", r"a\x00b"),
        ("\ud800", r"\ud800"),
        ("字\udfff\x00", r"字\udfff\x00"),
    ],
)
def test_text_that_no_database_takes_is_written_out(db: Database, text: str, kept: str) -> None:
    assert storable(text) == kept
    with db.write() as connection:
        Insert(meta).run(connection, [(storable(text), json_text({text: [text, float("nan"), 10**23]}))])
    assert list(_kept(db)) == [kept]


def test_a_thousand_rows_cost_little(db: Database) -> None:
    """Prints what it measured; the limit only catches a statement that is compiled for each row."""
    devices = [DeviceId(f"331002-{n:04d}", "door_lock", 1) for n in range(1000)]
    fields: dict[str, Value] = {
        "bolt": "locked",
        "leaf": "closed",
        "mode": "normal",
        "battery_pct": 88.5,
        "mains_ok": True,
    }
    best_us: dict[str, float] = {}
    for seq in range(5):
        at_ms = NOON_MS + seq
        rows = [
            SeriesRow(one, edge_box(one.station), "boot", seq, at_ms, at_ms, at_ms, fields, {}, {})
            for one in devices
        ]
        states = [StateRow(one, '{"state":1}' * 50, at_ms) for one in devices]
        with db.write() as connection:
            began = time.perf_counter()
            SqlSeries().append(connection, "door_lock", rows)
            appended = time.perf_counter()
            upsert_states(connection, states)
            ended = time.perf_counter()
        for name, took_s in (("reading", appended - began), ("state", ended - appended)):
            best_us[name] = min(best_us.get(name, 1e9), took_s * 1000)
    print(db.dialect, {name: f"{cost:.1f} µs a row" for name, cost in best_us.items()})
    assert max(best_us.values()) < 1000
