"""What an operator enters of holidays goes before what the program knows; a mistake is named by its line."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest

from domain.errors import BadSettings
from rules.calendar import Calendar, midnight_ms
from rules.station_view import StationInfo
from runtime.holidays import advise, read_holidays, timetables
from runtime.settings import Settings, load_settings

SATURDAY = date(2037, 2, 14)


@pytest.fixture
def notice(tmp_path: Path) -> Path:
    file = tmp_path / "notice.csv"
    file.write_text("\ufeffdate,kind\n2037-02-14,makeup_workday\n\n2037-02-16, statutory_holiday\n", "utf-8")
    return file


def test_a_saturday_made_a_workday_has_the_hours_of_friday(notice: Path) -> None:
    info = StationInfo(id="331002-0001", adcode="331002", hours="Mo-Fr 08:00-18:00")
    noon_ms = midnight_ms(SATURDAY) + 12 * 3_600_000
    assert timetables(Settings()).state(info, noon_ms).open is False
    assert timetables(Settings(holidays=notice)).state(info, noon_ms).open is True


def test_the_setting_is_read_from_the_environment(notice: Path) -> None:
    assert load_settings({"WAYSTATION_HOLIDAYS": str(notice)}).holidays == notice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2037-02-14", "line 1: has 1 values"),
        ("date,kind\n2037-02-30,workday", "line 2: '2037-02-30' is no date"),
        ("2037-02-14,holiday", "line 1: 'holiday' is none of workday, restday"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "notice.csv"
    file.write_text(text, "latin-1")
    with pytest.raises(BadSettings, match=said):
        read_holidays(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"WAYSTATION_HOLIDAYS: .*none\.csv cannot be read"):
        read_holidays(tmp_path / "none.csv")


def test_it_is_said_in_time_that_no_notice_is_known(caplog: pytest.LogCaptureFixture) -> None:
    advise(Calendar(), midnight_ms(date(2026, 3, 1)))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        advise(Calendar(), midnight_ms(date(2036, 12, 1)))
    assert "make-up workdays of 2037 are not known yet" in caplog.text
    caplog.clear()
    entered = Calendar({date(2037, 1, 15): "workday"})
    advise(entered, midnight_ms(date(2036, 12, 1)))
    assert not caplog.records
