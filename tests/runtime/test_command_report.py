"""`waystation report`: the union's table, a file for a spreadsheet, and what may be published."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from domain.ids import DeviceId, edge_box
from rules.utilisation import Uptime
from storage import audit, registry, station_hours, stations
from storage.database import Database
from storage.registry import Device
from storage.rollups import HOUR_MS, hour_of
from storage.station_hours import UptimeHour, UseHour
from storage.stations import Station
from tests.runtime.command_line import Waystation

GOOD, BAD, ELSEWHERE = "331002-0001", "331002-0002", "330102-0001"


@pytest.fixture
def used(hub_database: Database) -> Database:
    """Three stations with an hour each; in Hangzhou two people came."""
    last_ms = hour_of(int(time.time() * 1000)) - HOUR_MS
    with hub_database.write() as conn:
        for id_, visits, up_ms in ((GOOD, 40, HOUR_MS), (BAD, 20, 0), (ELSEWHERE, 2, HOUR_MS)):
            stations.put_stations(conn, [Station(id_, id_[:6], "", id_[7:], f"=驿站 {id_}")])
            registry.put_devices(conn, [Device(DeviceId(id_, "door_lock", 1), edge_box(id_))])
            times = Uptime(up_ms, HOUR_MS - up_ms)
            station_hours.put_uptime(conn, [UptimeHour(id_, "open", last_ms, times)])
            use = UseHour(id_, last_ms, visits, visits * 600_000, HOUR_MS, 9, 1, 0, 60, 60)
            station_hours.put_use(conn, [use])
    return hub_database


def test_the_table_names_counties_and_the_worst_station_first(waystation: Waystation, used: Database) -> None:
    said = waystation("report", "--since", "24h")
    assert (said.code, said.err) == (0, "")
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert "3 个有设备的站点" in said.out
    assert [line[0] for line in lines[1:4]] == ["上城区", "椒江区", "全部"]
    assert lines[2][1:5] == ["2", "0", "50.0%", "0.0%"]
    assert [line[0] for line in lines[5:]] == [BAD, ELSEWHERE, GOOD]


def test_an_area_and_english_words(waystation: Waystation, used: Database) -> None:
    said = waystation("report", "--area", "3310", "--lang", "en", "--worst", "1")
    assert "2 stations with devices" in said.out
    assert "Jiaojiang" in said.out
    assert "Shangcheng" not in said.out
    assert GOOD not in said.out


def test_json_is_for_programs(waystation: Waystation, used: Database) -> None:
    told = json.loads(waystation("report", "--format", "json").out)
    assert told["total"]["visits"] == 62
    assert told["total"]["stay_min"] == 10
    assert [one["id"] for one in told["worst"]] == [BAD, ELSEWHERE, GOOD]


def test_a_csv_has_every_station_no_formula_and_leaves_a_note(waystation: Waystation, used: Database) -> None:
    said = waystation("report", "--format", "csv")
    head, *rows = csv.reader(io.StringIO(said.out.removeprefix("\ufeff")))
    assert head[:2] == ["站点", "名称"]
    assert [row[1] for row in rows] == [f"'=驿站 {id_}" for id_ in (BAD, ELSEWHERE, GOOD)]
    with used.read() as conn:
        assert [one.actor for one in audit.newest(conn, action="report.export")] == ["cli"]


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_what_is_published_names_no_station_and_tells_few_visits_by_no_way(
    waystation: Waystation, used: Database, format_: str
) -> None:
    said = waystation("report", "--public", "--format", format_)
    assert said.code == 0
    for id_ in (GOOD, BAD, ELSEWHERE):
        assert id_ not in said.out
    if format_ == "json":
        told = json.loads(said.out)
        assert told["total"]["visits"] == 60
        assert told["counties"][0]["visits"] is None
        assert told["counties"][0]["few_visits"] is True
    else:
        rows = [line.replace(",", "\t").split("\t") for line in said.out.splitlines() if "上城区" in line]
        assert "≤2" in rows[0]


@pytest.mark.parametrize("wrong", [("--since", "7"), ("--since", "751d"), ("--area", "台州")])
def test_a_wrong_question_is_refused_in_a_sentence(
    waystation: Waystation, used: Database, wrong: tuple[str, str]
) -> None:
    said = waystation("report", *wrong)
    assert said.code == 1
    assert wrong[0] in said.err
    assert wrong[1] in said.err
