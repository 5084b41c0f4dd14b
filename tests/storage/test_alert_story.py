"""Why an alert opened is kept with it, as long as it is kept; whom a rule touches is counted."""

from __future__ import annotations

from typing import Any

import pytest

from devices.state import DeviceState
from domain.errors import Conflict, NotFound
from domain.facts import Facts, Mark
from domain.watermark import Watermark
from storage import alerts, registry, rulebooks, stations
from storage.alert_story import story_of
from storage.alerts import MAX_BASES, Ending
from storage.database import Database
from storage.registry import Device
from storage.retention import Keep, prune
from storage.rule_reach import Reach, reach_of
from storage.series import SqlSeries
from storage.states import BootRow, StateRow, upsert_boots, upsert_states
from tests.storage.rows import BOX, CABINET, LOCK, NOON_MS, SENSOR, alert, station

BASIS: dict[str, Any] = {
    "cause": "event",
    "pending_ms": None,
    "held_by": [],
    "marks": {"temp_c": list(Mark(NOON_MS - 1000, 7, NOON_MS - 300)), "door": list(Mark(5, 1, NOON_MS))},
}
RULES = """
rules:
  - code: battery_hot
    kind: swap_cabinet
    severity: major
  - code: cabinet_offline
    inhibited_by: [battery_hot]
"""


def test_a_story_tells_sources_turns_and_what_was_held_back(db: Database) -> None:
    with db.write() as conn:
        version = rulebooks.add(conn, RULES, "cli", 9, area="331002").version
        upsert_boots(conn, [BootRow(BOX, "boot7", NOON_MS - 1000, None, None, Watermark(), 0)])
        alerts.open_many(conn, [alert("a1", basis=BASIS, rulebook_version=version)])
        later = {**BASIS, "held_by": ["battery_hot"]}
        alerts.open_many(conn, [alert("a2", basis=later, code="cabinet_offline", part=0)])
        alerts.open_many(conn, [alert("a3", code="other", part=0)])
        state = DeviceState({0: Facts()}, {"0/cabinet_power_lost": {"s": "pending", "by": ["battery_hot"]}})
        upsert_states(conn, [StateRow(CABINET, state.to_json(), None)])
        alerts.acknowledge(conn, "a1", "crew", NOON_MS + 5_000)
        story = story_of(conn, "a1")
        assert (story.area, story.loaded_ms, story.inhibits) == ("331002", 9, ("cabinet_offline",))
        assert story.rule_text == "- code: battery_hot\n  kind: swap_cabinet\n  severity: major"
        assert story.held == (("a2", "cabinet_offline"),)
        assert story.waiting == ("swap_cabinet/1 cabinet_power_lost",)
        seen = {one.name: one for one in story.seen}
        assert (seen["temp_c"].boot, seen["temp_c"].seq, seen["temp_c"].unit) == ("boot7", 7, "°C")
        assert seen["door"].boot is None
        assert seen["battery"].as_of_ms is None
        assert [(turn.state, turn.by) for turn in story.turns] == [("firing", None), ("acknowledged", "crew")]
        alerts.resolve_many(conn, [Ending(CABINET, 3, "battery_hot", NOON_MS + 9_000, "cleared")])
        assert story_of(conn, "a1").turns[-1].reason == "cleared"
        assert story_of(conn, "a1").waiting == ()
        with pytest.raises(NotFound):
            story_of(conn, "none")


def test_it_is_noted_why_it_began_again_the_first_times_and_forgotten_with_the_alert(db: Database) -> None:
    with db.write() as conn:
        alerts.open_many(conn, [alert("a0", basis=BASIS)])
        for at in range(1, MAX_BASES + 5):
            alerts.open_many(conn, [alert(f"b{at:03}", basis=BASIS, learned_ms=NOON_MS + at)])
        assert [flap for flap, _, _ in alerts.bases(conn, "a0")] == list(range(MAX_BASES + 1))
        alerts.open_many(conn, [alert("a0", basis=BASIS)])
        assert len(alerts.bases(conn, "a0")) == MAX_BASES + 1, "done again notes nothing"
        alerts.resolve_many(conn, [Ending(CABINET, 3, "battery_hot", NOON_MS + 1000, "cleared")])
    for _ in prune(db, SqlSeries(), Keep(), NOON_MS + 800 * 86_400_000):
        pass
    with db.read() as conn:
        assert alerts.bases(conn, "a0") == []


def test_whom_a_rule_touches_is_counted_by_county_and_kind_as_far_as_one_may_see(db: Database) -> None:
    with db.write() as conn:
        ids = ("331002-0001", "331002-0002", "330102-0001")
        stations.put_stations(conn, [station(id_, area=id_[:6]) for id_ in ids])
        devices = [LOCK, CABINET, SENSOR, LOCK._replace(station=ids[1]), LOCK._replace(station=ids[2])]
        registry.put_devices(conn, [Device(one, BOX._replace(station=one.station)) for one in devices])
        doors = [Reach("330102", "door_lock", 1, 1), Reach("331002", "door_lock", 2, 2)]
        assert reach_of(conn, {"door_lock"}) == doors
        assert reach_of(conn, {"door_lock"}, area="331002") == doors[1:]
        assert reach_of(conn, {"door_lock"}, seen="330102") == doors[:1]
        assert reach_of(conn, {"door_lock"}, area="331002", seen="330102") == []
        assert reach_of(conn, {"station"}, area=ids[0]) == [Reach("331002", "station", 1, 0)]
        everything = reach_of(conn, {"any"})
        assert Reach("331002", "swap_cabinet", 1, 1) in everything
        assert Reach("331002", "station", 2, 0) in everything


def test_an_earlier_text_comes_back_in_its_own_area_and_not_while_it_is_in_force(db: Database) -> None:
    with db.write() as conn:
        rulebooks.seed(conn, "rules: 1", 1)
        first = rulebooks.add(conn, "rules: a", "cli", 2, area="331002")
        second = rulebooks.add(conn, "rules: b", "cli", 3, area="331002")
        assert rulebooks.active_versions(conn) == {1, second.version}
        back = rulebooks.roll_back(conn, first.version, "cli", 4)
        assert (back.area, back.text, back.active) == ("331002", "rules: a", True)
        assert [row.version for row in rulebooks.all_active(conn)] == [1, back.version]
        with pytest.raises(Conflict):
            rulebooks.roll_back(conn, back.version, "cli", 5)
        assert rulebooks.drop_area(conn, "331002") == back.version
        assert rulebooks.active_versions(conn) == {1}
        with pytest.raises(Conflict):
            rulebooks.drop_area(conn, rulebooks.PROVINCE)
