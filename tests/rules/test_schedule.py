"""Opening hours on Chinese days: holidays, make-up workdays, nights, and hours that nobody can read."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from rules.calendar import Calendar, DayKind, date_of, midnight_ms
from rules.schedule import Hours

CALENDAR = Calendar()
CHINA = timezone(timedelta(hours=8))


def ms(text: str) -> int:
    """`2026-10-01 08:30` in China."""
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    "day, kind",
    [
        ("2026-10-01", "statutory_holiday"),  # National Day, a Thursday
        ("2026-10-03", "statutory_holiday"),  # a Saturday within it
        ("2026-10-05", "statutory_holiday"),  # a Monday within it, in lieu
        ("2026-10-10", "makeup_workday"),  # the Saturday that pays for it
        ("2026-09-20", "makeup_workday"),  # a Sunday that does
        ("2026-11-22", "restday"),  # any Sunday
        ("2026-11-23", "workday"),  # any Monday
        ("2027-02-06", "statutory_holiday"),  # Spring Festival 2027, known by law before any notice
        ("2027-02-22", "workday"),
    ],
)
def test_every_date_has_its_kind(day: str, kind: DayKind) -> None:
    assert CALENDAR.day_kind(date.fromisoformat(day)) == kind


def test_an_override_wins_and_a_year_without_notice_is_provisional() -> None:
    day = date(2027, 2, 20)
    assert CALENDAR.day_kind(day) == "restday"
    assert CALENDAR.is_provisional(day)
    told = Calendar({day: "makeup_workday"})
    assert told.day_kind(day) == "makeup_workday"
    assert not told.is_provisional(day)
    assert not CALENDAR.is_provisional(date(2026, 10, 1))


def test_dates_and_midnights_are_those_of_china() -> None:
    assert date_of(ms("2026-11-24 00:00")) == date(2026, 11, 24)
    assert date_of(ms("2026-11-24 00:00") - 1) == date(2026, 11, 23)
    assert midnight_ms(date(2026, 11, 24)) == ms("2026-11-24 00:00")


@pytest.mark.parametrize(
    "hours, day, expected",
    [
        ("Mo-Fr 08:30-17:30; Sa,Su,PH 09:00-16:00", "2026-10-08", "08:30–17:30"),
        ("Mo-Fr 08:30-17:30; Sa,Su,PH 09:00-16:00", "2026-10-02", "09:00–16:00"),  # holiday: PH rule
        ("Mo-Fr 08:30-17:30; PH off", "2026-10-02", ""),
        ("Mo-Fr 08:30-17:30; Su 10:00-12:00", "2026-10-02", "10:00–12:00"),  # no PH rule: as on Sunday
        ("Mo-Fr 08:30-17:30; Sa-Su off", "2026-10-10", "08:30–17:30"),  # make-up Saturday: as on Friday
        ("Mo 07:00-12:00; Tu-Fr 08:30-17:30", "2026-09-20", "07:00–12:00"),  # make-up Sunday: as on Monday
        ("24/7", "2026-10-02", "00:00–24:00"),
        ("Mo-Su 22:00-06:00", "2026-11-24", "22:00–06:00"),
        (
            "Mo-Fr 22:00-06:00",
            "2026-10-01",
            "00:00–06:00",
        ),  # the night of the last workday ends in the holiday
        ("Mo-Fr 22:00-06:00", "2026-10-10", "22:00–06:00"),  # Friday's night, and its own
        ("Mo-Fr 22:00-06:00", "2026-10-11", "00:00–06:00"),  # the night of the make-up Saturday
        ("Mo-Fr 08:00-12:00,13:30-17:30", "2026-11-24", "08:00–12:00、13:30–17:30"),
    ],
)
def test_the_hours_of_a_date(hours: str, day: str, expected: str) -> None:
    assert Hours(hours, CALENDAR).on(date.fromisoformat(day)) == expected


@pytest.mark.parametrize(
    "hours, now, is_open, until",
    [
        ("24/7", "2026-11-23 03:00", True, None),
        ("Mo-Fr 08:30-17:30", "2026-11-23 08:29", False, "2026-11-23 08:30"),
        ("Mo-Fr 08:30-17:30", "2026-11-23 08:30", True, "2026-11-23 17:30"),
        ("Mo-Fr 08:30-17:30", "2026-11-23 17:30", False, "2026-11-24 08:30"),
        ("Mo-Fr 08:30-17:30", "2026-11-27 18:00", False, "2026-11-30 08:30"),  # over the weekend
        ("Mo-Fr 08:00-18:00; PH off", "2026-09-30 18:00", False, "2026-10-08 08:00"),  # over National Day
        ("Mo-Su 22:00-06:00", "2026-11-23 23:00", True, "2026-11-24 06:00"),  # over midnight
        ("Mo-Su 00:00-24:00", "2026-11-23 23:00", True, None),
        ("Mo-Fr 08:00-18:00 unknown", "2026-11-23 12:00", None, "2026-11-23 18:00"),
        ("2020 Jan 01 10:00-11:00", "2026-11-23 12:00", False, None),  # never again
    ],
)
def test_open_now_and_until_when(hours: str, now: str, is_open: bool | None, until: str | None) -> None:
    state = Hours(hours, CALENDAR).state(ms(now))
    assert state.open is is_open
    assert state.until_ms == (None if until is None else ms(until))


def test_what_is_remembered_is_dropped_when_the_hours_change() -> None:
    hours = Hours("Mo-Fr 08:30-17:30", CALENDAR)
    for minute in range(0, 24 * 60, 7):
        now_ms = ms("2026-11-23 00:00") + minute * 60_000
        assert hours.state(now_ms).open is (8 * 60 + 30 <= minute < 17 * 60 + 30)
    assert hours.state(ms("2026-11-23 09:00")).open is True


@pytest.mark.parametrize("text", ["", "24/24", "opne", "Mo-Fr 25-99", "Mo-Fr 08:00-18:00; PH -1 day off"])
def test_hours_that_cannot_be_read_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not opening hours"):
        Hours(text, CALENDAR)
