"""One open row for each fault, whatever is reported, and a new one for each time it comes back."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from domain.errors import Conflict, NotFound
from storage import alerts, tables
from storage.alerts import Ending, Opened
from storage.database import Database
from storage.errors import RowRefused
from tests.storage.rows import CABINET, LOCK, NOON_MS, alert

END = Ending(CABINET, 3, "battery_hot", NOON_MS + 99, "cleared")


def test_a_fault_has_one_open_row(db: Database) -> None:
    with db.write() as connection:
        assert alerts.open_many(connection, [alert("a1"), alert("a2", part=4)]) == [
            Opened("a1", True),
            Opened("a2", True),
        ]
        assert alerts.open_many(connection, [alert("a3"), alert("a4")]) == [Opened("a1", False)] * 2
        found = alerts.get(connection, "a1")
        assert (found.state, found.flaps, found.part, found.device) == ("firing", 2, 3, CABINET)
        assert found.values == {"temp_c": 61.5, "door": "closed", "charger_on": True, "battery": None}
        assert found.text_zh == "3 号仓过热"
        with pytest.raises(NotFound):
            alerts.get(connection, "a3")


def test_what_was_kept_already_may_be_opened_again_after_a_lost_commit(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1")])
    with db.write() as connection:
        assert alerts.open_many(connection, [alert("a1")]) == [Opened("a1", False)]
        assert alerts.get(connection, "a1").flaps == 0


def test_a_fault_that_comes_back_gets_a_new_row(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1")])
        assert alerts.resolve_many(connection, [END, END, END._replace(part=9)]) == ["a1"]
        assert alerts.open_many(connection, [alert("a2")]) == [Opened("a2", True)]
        first = alerts.get(connection, "a1")
        assert (first.state, first.resolved_ms, first.resolved_reason) == (
            "resolved",
            NOON_MS + 99,
            "cleared",
        )
        assert [one.id for one in alerts.all_open(connection)] == ["a2"]


def test_the_database_itself_refuses_a_second_open_row(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1")])
    copy = sa.insert(tables.alert).from_select(
        tables.alert.columns.keys(),
        sa.select(sa.literal("copy"), *[c for c in tables.alert.columns if c.name != "id"]),
    )
    with pytest.raises(RowRefused), db.write() as connection:
        connection.execute(copy)


def test_whoever_accepts_first_stays_named(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1")])
        found = alerts.acknowledge(connection, "a1", "crew-1", 500)
        assert (found.state, found.acked_by, found.acked_ms) == ("acknowledged", "crew-1", 500)
        assert alerts.acknowledge(connection, "a1", "crew-2", 600).acked_by == "crew-1"
        assert alerts.resolve_many(connection, [END]) == ["a1"]
        with pytest.raises(Conflict, match="resolved already"):
            alerts.acknowledge(connection, "a1", "crew-1", 700)
        with pytest.raises(NotFound):
            alerts.acknowledge(connection, "nothing", "crew-1", 700)


def test_only_a_latched_alert_is_ended_by_hand(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1"), alert("a2", part=4, latched=True)])
        with pytest.raises(Conflict, match="ends by itself"):
            alerts.reset(connection, "a1", "crew-1", "因为", 500)
        found = alerts.reset(connection, "a2", "crew-1", "已更换电池", 500)
        assert (found.state, found.resolved_by, found.note) == ("resolved", "crew-1", "已更换电池")
        assert found.resolved_reason == "reset"
        with pytest.raises(Conflict, match="resolved already"):
            alerts.reset(connection, "a2", "crew-1", "again", 600)


def test_alerts_are_found_by_state_area_station_code_and_severity(db: Database) -> None:
    with db.write() as connection:
        far = LOCK._replace(station="330102-0001")
        alerts.open_many(
            connection,
            [
                alert("a1"),
                alert("a2", device=LOCK, part=0, code="door_forced", severity="emergency", safety=True),
                alert("a3", device=far, part=0, code="door_forced", severity="emergency"),
                alert("a4", part=5),
            ],
        )
        alerts.resolve_many(connection, [END])
        alerts.acknowledge(connection, "a2", "crew", 5)

        def ids(**asked: object) -> list[str]:
            return [one.id for one in alerts.search(connection, **asked)]  # type: ignore[arg-type]

        assert ids() == ["a4", "a3", "a2", "a1"]
        assert ids(state="open") == ["a4", "a3", "a2"]
        assert ids(state="resolved") == ["a1"]
        assert ids(state="acknowledged") == ["a2"]
        assert ids(area="3310") == ["a4", "a2", "a1"]
        assert ids(area="330102-0001") == ["a3"]
        assert ids(code="door_forced", severity="emergency", station="330102-0001") == ["a3"]
        assert ids(limit=2) == ["a4", "a3"]
        assert ids(limit=2, before="a3") == ["a2", "a1"]


def test_changes_are_read_in_their_order(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1"), alert("a2", part=4)])
        version = alerts.changed_since(connection, 0)[-1].version
    with db.write() as connection:
        alerts.acknowledge(connection, "a2", "crew", 5)
        alerts.resolve_many(connection, [END])
    with db.read() as connection:
        changed = alerts.changed_since(connection, version)
        assert [(one.id, one.state) for one in changed] == [("a2", "acknowledged"), ("a1", "resolved")]
        assert len(alerts.changed_since(connection, version, limit=1)) == 1


def test_a_repeat_that_refuses_entry_makes_the_open_row_refuse_it(db: Database) -> None:
    with db.write() as connection:
        alerts.open_many(connection, [alert("a1")])
        alerts.open_many(connection, [alert("a2", refuse_entry=True)])
        assert alerts.get(connection, "a1").refuse_entry is True
        alerts.open_many(connection, [alert("a3")])
        assert alerts.get(connection, "a1").refuse_entry is True
