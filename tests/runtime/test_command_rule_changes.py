"""`waystation rules` over time: what would change, what was in force, going back, and why an alert opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.facts import Mark
from domain.ids import DeviceId, edge_box
from domain.watermark import Watermark
from runtime.settings import TREE
from storage import alerts, audit, commands, rulebooks
from storage.alerts import Ending, NewAlert
from storage.commands import NewCommand
from storage.database import Database
from storage.states import BootRow, upsert_boots
from tests.runtime.command_line import STATION, Waystation, add

SHIPPED = (TREE / "rules" / "rulebook.yaml").read_text(encoding="utf-8")
ALERT = "0199a1b2c3d4e5f6"
OWN = """
rules:
  - code: door_held_open
    kind: door_lock
    when: leaf == "open" && mode == "normal"
    for: 10m
    clear: leaf == "closed"
    inhibited_by: [station_offline]
    severity: minor
    texts: {zh: "【一般】{station} · 门：敞开 {sec} 秒。", en: "[Minor] {station} · door: open for {sec} s."}
"""
SAFETY = OWN.replace("door_held_open", "door_forced").replace("    inhibited_by: [station_offline]\n", "")


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The rulebook with one rule changed and one gone."""
    file = tmp_path / "mine.yaml"
    kept = "    inhibited_by: [door_open_long]\n    severity: "
    old = f'    for: 2m\n    clear: leaf == "closed"\n{kept}minor'
    assert old in SHIPPED
    text = SHIPPED.replace(old, f'    for: 2m\n    clear: leaf != "open"\n{kept}major', 1)
    text = text.replace("【一般】{station} · 门：敞开", "【严重】{station} · 门：敞开", 1)
    text = text.replace("[Minor] {station} · door: open for", "[Major] {station} · door: open for", 1)
    begin = text.index("  - code: lock_restless")
    end = text.index("  - code: door_offline")
    file.write_text(text[:begin] + text[end:], encoding="utf-8")
    return file


@pytest.fixture
def seeded(hub_database: Database, waystation: Waystation) -> Database:
    """The shipped rulebook in force, and one station with two devices."""
    with hub_database.write() as connection:
        rulebooks.seed(connection, SHIPPED, 1_795_467_427_000)
    assert add(waystation, STATION, "--device", "door_lock/1", "--device", "swap_cabinet/1").code == 0
    return hub_database


def test_a_difference_is_told_rule_by_rule_with_whom_it_touches(
    waystation: Waystation, seeded: Database, changed: Path
) -> None:
    said = waystation("rules", "diff", str(changed)).out
    assert "1 removed, 1 changed." in said
    assert 'changed door_held_open\n  - clear: leaf == "closed"\n  + clear: leaf != "open"\n' in said
    assert "  - severity: minor\n  + severity: major\n" in said
    assert "removed lock_restless\n  - kind: door_lock\n" in said
    assert "331002\tdoor_lock\t1\t1" in said
    assert "swap_cabinet" not in said


def test_layout_comments_and_cases_are_no_difference(
    waystation: Waystation, seeded: Database, tmp_path: Path
) -> None:
    file = tmp_path / "same.yaml"
    file.write_text("# other words\n" + SHIPPED.replace("temp_c: 75}", "temp_c: 76}"), encoding="utf-8")
    assert "Nothing would change" in waystation("rules", "diff", str(file)).out


def test_going_back_makes_a_new_version_of_the_old_text_and_is_noted(
    waystation: Waystation, seeded: Database, changed: Path
) -> None:
    assert waystation("rules", "load", str(changed)).code == 0
    assert waystation("rules", "rollback", "1").out == "Rulebook 3 is in force, with the text of 1.\n"
    with seeded.read() as connection:
        row = rulebooks.active(connection)
        assert (row.version, row.text, row.actor) == (3, SHIPPED, "cli")
        assert audit.newest(connection, action="rules.rollback")[0].detail["from"] == 1
    listed = [line.split("\t")[:2] for line in waystation("rules", "history").out.splitlines()]
    assert listed == [["3", "yes"], ["2", "no"], ["1", "no"]]
    assert waystation("rules", "rollback", "3").code == 1
    assert waystation("rules", "rollback", "99").code == 1


def test_a_county_may_have_its_own_rule_and_give_it_up(
    waystation: Waystation, seeded: Database, tmp_path: Path
) -> None:
    file = tmp_path / "county.yaml"
    file.write_text(OWN, encoding="utf-8")
    told = waystation("rules", "diff", str(file), "--area", "331002").out
    assert "changed door_held_open" in told
    assert "removed" not in told
    assert "in force in 331002" in waystation("rules", "load", str(file), "--area", "331002").out
    with seeded.read() as connection:
        assert [row.area for row in rulebooks.all_active(connection)] == ["province", "331002"]
    assert waystation("rules", "drop", "331002").code == 0
    assert waystation("rules", "drop", "331002").code == 1
    assert waystation("rules", "check", str(file), "--area", "the county").code == 1


def test_no_county_replaces_a_safety_rule(waystation: Waystation, seeded: Database, tmp_path: Path) -> None:
    file = tmp_path / "county.yaml"
    file.write_text(SAFETY, encoding="utf-8")
    said = waystation("rules", "load", str(file), "--area", "331002")
    assert said.code == 1
    assert "door_forced.code: is a safety rule of the larger area" in said.err


def test_an_alert_is_explained_in_both_languages(waystation: Waystation, seeded: Database) -> None:
    cabinet, boot_ms = DeviceId(STATION, "swap_cabinet", 1), 1_795_467_000_000
    happened_ms = 1_795_467_427_000
    basis = {
        "cause": "when",
        "pending_ms": happened_ms,
        "held_by": [],
        "marks": {"temp_c": list(Mark(boot_ms, 42, happened_ms + 5_000))},
    }
    new = NewAlert(
        ALERT, cabinet, 3, "331002", "battery_overheat", "major", False, 1, False, happened_ms,
        happened_ms + 10_000, False, {"temp_c": 61.5}, "【严重】过热", "[Major] hot", basis,
    )  # fmt: skip
    with seeded.write() as connection:
        alerts.open_many(connection, [new])
        upsert_boots(connection, [BootRow(edge_box(STATION), "b7f3", boot_ms, None, None, Watermark(), 0)])
        commands.create_many(
            connection,
            [
                NewCommand(
                    "c1", cabinet, "331002", "stop_charge", {"slot": 3}, f"alert:{ALERT}", True,
                    happened_ms + 10_000, "rules",
                )
            ],
        )  # fmt: skip
        alerts.resolve_many(
            connection, [Ending(cabinet, 3, "battery_overheat", happened_ms + 60_000, "cleared")]
        )

    english = waystation("rules", "explain", ALERT, "--lang", "en").out
    assert "[Major] hot" in english
    assert "Rule (rulebook 1):\n- code: battery_overheat\n" in english
    assert "when: temp_c >= 60" in english
    assert "cases" not in english
    assert "temp_c\t61.5\t°C\t" in english
    assert "\t5.0 s before\tswap_cabinet/1\tb7f3\t42" in english
    assert "\tthe condition began to hold\tthe condition held\t" in english
    assert "\tit ended\tthe condition is over\t" in english
    assert "stop_charge slot=3" in english
    chinese = waystation("rules", "explain", ALERT).out
    assert "规则（第 1 版）：" in chinese
    assert "5.0 秒前" in chinese
    assert "条件已解除" in chinese
    assert waystation("rules", "explain", "nothing").code == 1
