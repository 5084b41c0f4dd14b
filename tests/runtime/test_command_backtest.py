"""`waystation rules backtest`: what a person sees of it, and what it refuses."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.calendar import date_of
from storage import registry, rulebooks, stations
from storage.database import Database
from storage.series import SeriesRow, SqlSeries
from tests.rules.short_rules import BOOK, MINOR
from tests.runtime.command_line import Waystation

HERE, THERE = "331002-0001", "330102-0001"
MINUTE_MS = 60_000
OLD = BOOK.replace("silent: 2s", "silent: 10m").replace("silent: 5s", "silent: 10m")
NEW = OLD.replace("temp_c >= 60, for: 1s", "temp_c >= 70, for: 1s")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A rulebook that asks for more heat."""
    file = tmp_path / "new.yaml"
    file.write_text(NEW, encoding="utf-8")
    return file


@pytest.fixture
def furnished(hub_database: Database) -> Database:
    """Two stations in two counties, whose cabinets were hot for some minutes each hour of half a day."""
    now_ms = time.time_ns() // 1_000_000
    begin_ms = now_ms - 12 * 60 * MINUTE_MS
    with hub_database.write() as connection:
        rulebooks.add(connection, OLD, "test", 1)
        for name in (HERE, THERE):
            stations.put_stations(
                connection, [stations.Station(name, name[:6], name[:6], "001", f"驿站 {name}", hours="24/7")]
            )
            cabinet, box = DeviceId(name, "swap_cabinet", 1), edge_box(name)
            registry.put_devices(connection, [registry.Device(cabinet, box)])
            rows = []
            for minute in range(12 * 60):
                at_ms = begin_ms + minute * MINUTE_MS
                temp_c = 64.5 if minute % 60 in (10, 11, 12) else 30.0
                parts: dict[int, dict[str, Value]] = {3: {"temp_c": temp_c, "state": "charging"}}
                rows.append(
                    SeriesRow(
                        cabinet, box, "b", minute, at_ms, at_ms, at_ms + 20, {"smoke": False}, parts, {}
                    )
                )
            SqlSeries().append(connection, "swap_cabinet", rows)
    return hub_database


def test_it_shows_counts_by_rule_and_county_examples_and_one_line(
    waystation: Waystation, furnished: Database, new: Path
) -> None:
    said = waystation("rules", "backtest", "--rules", str(new), "--since", "2d")

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert "2 stations, 2 devices, 1,440 messages" in lines[0]
    table = [line.split("\t") for line in lines if "\t" in line]
    assert table[0][:6] == ["hot", "minor", "all", "24", "0", "-24"]
    assert table[1][2:6] == ["330102", "12", "0", "-12"]
    assert table[2][2:6] == ["331002", "12", "0", "-12"]
    example = next(line for line in lines if line.startswith("hot (in force): "))
    assert "swap_cabinet/1 part 3" in example
    assert "temp_c=64.5" in example
    assert "for 3 min" in example
    assert lines[-1] == "0 alerts instead of 24."


def test_an_area_a_station_and_a_period_narrow_it(
    waystation: Waystation, furnished: Database, new: Path
) -> None:
    for narrowed, alerts in (
        (("--area", "3310"), 12),
        (("--station", THERE), 12),
        (("--area", "3303"), 0),
        (("--since", "3h"), 6),
    ):
        said = waystation("rules", "backtest", "--rules", str(new), "--json", *narrowed)
        assert said.code == 0, said.err
        assert json.loads(said.out)["before"] == alerts


def test_as_json_everything_is_there(waystation: Waystation, furnished: Database, new: Path) -> None:
    said = json.loads(waystation("rules", "backtest", "--rules", str(new), "--json").out)

    assert said["summary"] == "0 alerts instead of 24"
    hot = said["rules"][0]
    assert (hot["code"], hot["before"]["alerts"], hot["after"]["alerts"]) == ("hot", 24, 0)
    assert hot["before"]["examples"][0]["values"] == {"temp_c": 64.5}
    assert {rule["code"] for rule in said["rules"]} >= {"runaway", "never", "box_quiet"}


def test_the_own_rulebook_of_a_county_changes_only_that_county(
    waystation: Waystation, furnished: Database, tmp_path: Path
) -> None:
    file = tmp_path / "county.yaml"
    hot = next(line for line in OLD.split("  - ") if "code: hot" in line)
    file.write_text("rules:\n  - " + hot.replace("temp_c >= 60", "temp_c >= 70"), encoding="utf-8")

    said = waystation("rules", "backtest", "--rules", str(file), "--area", "331002", "--own", "--json")

    assert said.code == 0, said.err
    assert json.loads(said.out)["summary"] == "0 alerts instead of 12"


def test_it_goes_by_the_holidays_that_an_operator_entered(
    waystation: Waystation, furnished: Database, tmp_path: Path
) -> None:
    with furnished.write() as connection:
        here = replace(stations.get_station(connection, HERE), hours="Mo-Su 00:00-24:00; PH off")
        stations.put_stations(connection, [here])
    today = date_of(time.time_ns() // 1_000_000)
    shut = f"  - {{code: shut, kind: station, when: schedule.open == false, {MINOR}}}\n"
    file = tmp_path / "shut.yaml"
    file.write_text(OLD + shut, encoding="utf-8")
    found = []
    for kind in ("workday", "statutory_holiday"):
        notice = tmp_path / f"{kind}.csv"
        days = [today + timedelta(days=ahead) for ahead in range(-3, 3)]
        notice.write_text("".join(f"{day},{kind}\n" for day in days), encoding="utf-8")
        asked = ("rules", "backtest", "--rules", str(file), "--station", HERE, "--json")
        said = waystation(*asked, WAYSTATION_HOLIDAYS=str(notice))
        assert said.code == 0, said.err
        found.append(json.loads(said.out)["after"])

    assert found[1] == found[0] + 1


def test_an_empty_hub_has_nothing_to_tell(waystation: Waystation, hub_database: Database, new: Path) -> None:
    with hub_database.write() as connection:
        rulebooks.add(connection, OLD, "test", 1)

    said = waystation("rules", "backtest", "--rules", str(new))

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == "0 alerts, as before."


def test_mistakes_are_told_with_file_line_and_field(
    waystation: Waystation, hub_database: Database, tmp_path: Path, new: Path
) -> None:
    with hub_database.write() as connection:
        rulebooks.add(connection, OLD, "test", 1)
    broken = tmp_path / "broken.yaml"
    broken.write_text(NEW.replace("temp_c >= 70", "temprature >= 70"), encoding="utf-8")

    said = waystation("rules", "backtest", "--rules", str(broken))
    assert said.code == 1
    assert f"{broken}:" in said.err
    assert "rules.1.when: unknown field 'temprature'" in said.err

    for wrong in (
        ("--since", "soon"),
        ("--since", "0d"),
        ("--area", "taizhou"),
        ("--station", "331002-9999"),
        ("--own",),
    ):
        assert waystation("rules", "backtest", "--rules", str(new), *wrong).code == 1
    assert waystation("rules", "backtest", "--rules", str(tmp_path / "none.yaml")).code == 1
