"""What is too old goes, what is still needed stays, and nobody waits for long."""

from __future__ import annotations

import sqlalchemy as sa

from domain.watermark import Watermark
from storage import alerts, events, quarantine, retention, states, tables
from storage.alerts import Ending
from storage.database import Database
from storage.retention import DAY_MS, Keep
from storage.series import SqlSeries
from storage.series_tables import series_tables
from tests.storage.rows import BOX, CABINET, NOON_MS, alert, bad, event, reading


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_old_rows_go_and_what_is_needed_stays(db: Database) -> None:
    old_ms, young_ms = NOON_MS - 31 * DAY_MS, NOON_MS - 29 * DAY_MS
    ancient_ms = NOON_MS - 731 * DAY_MS
    with db.write() as connection:
        rows = [reading(seq=1, at_ms=old_ms), reading(seq=2, at_ms=young_ms)]
        SqlSeries().append(connection, "occupancy_sensor", rows)
        events.append_many(connection, [event(seq=1, at_ms=young_ms)])
        events.append_many(connection, [event(seq=seq, at_ms=old_ms) for seq in range(10, 2510)])
        quarantine.put_many(connection, [bad("a", at_ms=old_ms), bad("b", at_ms=young_ms)])
        states.upsert_boots(connection, [states.BootRow(BOX, "old", 0, None, None, Watermark(), old_ms)])
        alerts.open_many(connection, [alert("old"), alert("open", part=4), alert("young", part=5)])
        alerts.resolve_many(
            connection,
            [
                Ending(CABINET, 3, "battery_hot", ancient_ms, "cleared"),
                Ending(CABINET, 5, "battery_hot", young_ms, "cleared"),
            ],
        )
    turns = sum(1 for _ in retention.prune(db, SqlSeries(), Keep(), NOON_MS))
    assert turns > 10
    with db.read() as connection:
        assert _count(connection, series_tables()["occupancy_sensor"].own) == 1
        assert _count(connection, tables.event) == 1
        assert [one.topic for one in quarantine.search(connection)] == ["b"]
        assert states.load_boots(connection) == []
        assert [one.id for one in alerts.search(connection)] == ["young", "open"]
