"""The report on use and uptime: figures of one's own area, as JSON and as CSV, and who took them along."""

from __future__ import annotations

import csv
import io

import pytest

from rules.utilisation import Uptime
from storage import audit, station_hours
from storage.rollups import HOUR_MS, hour_of
from storage.station_hours import UptimeHour, UseHour
from tests.api.conftest import HERE, World, paths

REPORT = "/api/v1/reports/utilisation"
QUARTER_MS = HOUR_MS // 4


@pytest.fixture
def busy(world: World) -> World:
    """Two hours of the equipped station: a quarter each up, down, unknown and closed."""
    last_ms = hour_of(world.clock.now_ms())
    hours = [last_ms - HOUR_MS, last_ms - 2 * HOUR_MS]
    times = Uptime(QUARTER_MS, QUARTER_MS, QUARTER_MS, QUARTER_MS)
    with world.db.write() as conn:
        station_hours.put_uptime(conn, [UptimeHour(HERE, "open", hour_ms, times) for hour_ms in hours])
        use = [UseHour(HERE, hour_ms, 6, HOUR_MS, HOUR_MS, 19, 1, 4, 150, 300) for hour_ms in hours]
        station_hours.put_use(conn, use)
    return world


def test_the_report_adds_up_the_hours_of_the_period(busy: World) -> None:
    told = busy.get(f"{REPORT}?area=3310", busy.token("reports:read"))
    total = told["total"]
    assert total["amenities"] == {
        "open": {
            "up_min": 30, "down_min": 30, "unknown_min": 30, "closed_min": 30,
            "served": 0.3333, "up_when_known": 0.5, "known": 0.6667,
        }
    }  # fmt: skip
    assert (total["visits"], total["stay_min"], total["jam_rate"]) == (12, 10, 0.05)
    assert (total["completeness"], total["swaps"], total["silent"]) == (0.5, 8, 0)
    assert [(one["code"], one["name"], one["name_en"]) for one in told["counties"]] == [
        ("331002", "椒江区", "Jiaojiang")
    ]
    assert [one["id"] for one in told["worst"]] == [HERE]


def test_only_the_hours_of_the_period_count(busy: World) -> None:
    staff = busy.token("reports:read")
    assert busy.get(f"{REPORT}?since=1h", staff)["total"]["visits"] == 6
    early = busy.get(f"{REPORT}?to=2026-01-01T00:00:00Z", staff)["total"]
    assert (early["visits"], early["silent"]) == (None, 1)


def test_staff_of_elsewhere_gets_figures_of_nothing(busy: World) -> None:
    told = busy.get(f"{REPORT}?area=3310", busy.token("reports:read", area="3301"))
    assert (told["total"]["stations"], told["counties"], told["worst"]) == (0, [], [])
    told = busy.get(REPORT, busy.token("reports:read", area="3301"))
    assert told["area"] == "3301"
    assert HERE not in str(told)


def test_an_export_is_a_table_for_spreadsheets_and_is_written_down(busy: World) -> None:
    staff = busy.token("reports:read", area="3310")
    answer = busy.client.get(f"{REPORT}?format=csv", headers=staff)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="utilisation-3310.csv"'
    head, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert answer.text.startswith("\ufeff站点,名称,县（市、区）,可用,")
    told = dict(zip(head, row, strict=True))
    assert (told["站点"], told["可用"], told["状态未知"], told["到访"]) == (HERE, "33.3%", "33.3%", "12")
    with busy.db.read() as conn:
        (note,) = audit.newest(conn, action="report.export")
    assert (note.target, note.result, note.detail["stations"]) == ("area:3310", "ok", 1)
    assert note.actor == staff["Authorization"].split("_")[1]
    english = busy.client.get(f"{REPORT}?format=csv&lang=en", headers=staff)
    assert english.text.startswith("\ufeffstation,name,county,open,")


def test_looking_at_it_leaves_no_note(busy: World) -> None:
    busy.get(REPORT, busy.token("reports:read"))
    with busy.db.read() as conn:
        assert audit.newest(conn, action="report.export") == []


@pytest.mark.parametrize(
    "query, path",
    [
        ("since=7", "query.since"),
        ("since=0d", "query.since"),
        ("since=751d", "query.since"),
        ("to=1970-01-02T00:00:00Z", "query.to"),
        ("to=yesterday", "query.to"),
        ("area=台州", "query.area"),
        ("worst=-1", "query.worst"),
        ("format=xml", "query.format"),
    ],
)
def test_a_wrong_question_is_answered_with_its_place(world: World, query: str, path: str) -> None:
    assert paths(world.get(f"{REPORT}?{query}", world.token("reports:read"), 422)) == [path]
