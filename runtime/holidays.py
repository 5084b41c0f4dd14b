"""Holidays and make-up workdays that an operator knows from a notice newer than this program."""

from __future__ import annotations

import csv
import logging
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

from domain.errors import BadSettings
from rules.calendar import Calendar, DayKind, date_of
from rules.station_view import Timetables
from runtime.settings import Settings

logger = logging.getLogger(__name__)

KINDS: tuple[DayKind, ...] = get_args(DayKind)
AHEAD = timedelta(days=45)


def timetables(settings: Settings) -> Timetables:
    """The hours of stations by the calendar that this installation goes by."""
    return Timetables(calendar(settings))


def calendar(settings: Settings) -> Calendar:
    """The State Council's notices as this program knows them, and before them what the operator entered."""
    return Calendar(read_holidays(settings.holidays) if settings.holidays is not None else None)


def read_holidays(path: Path) -> dict[date, DayKind]:
    """Read lines like `2027-02-06,makeup_workday`; raise BadSettings that names the line."""
    days: dict[date, DayKind] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, cells in enumerate(csv.reader(file, strict=True), 1):
                line = [cell.strip() for cell in cells]
                if any(line) and line != ["date", "kind"]:
                    day, kind = _read_line(line, f"WAYSTATION_HOLIDAYS: {path}, line {number}")
                    days[day] = kind
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise BadSettings(f"WAYSTATION_HOLIDAYS: {path} cannot be read: {exc}.") from exc
    return days


def _read_line(line: list[str], where: str) -> tuple[date, DayKind]:
    if len(line) != 2:
        raise BadSettings(f"{where}: has {len(line)} values; it wants a date and a kind.")
    try:
        day = date.fromisoformat(line[0])
    except ValueError as exc:
        raise BadSettings(f"{where}: {line[0][:40]!r} is no date like 2027-02-06.") from exc
    for kind in KINDS:
        if kind == line[1]:
            return day, kind
    raise BadSettings(f"{where}: {line[1][:40]!r} is none of {', '.join(KINDS)}.")


def advise(known: Calendar, now_ms: int) -> None:
    """Say it in time when make-up workdays are coming of which no notice tells."""
    ahead = date_of(now_ms) + AHEAD
    if known.is_provisional(ahead):
        logger.warning(
            "Holidays and make-up workdays of %d are not known yet, only what the law says: enter them from "
            "the State Council's notice with WAYSTATION_HOLIDAYS (docs/settings.md)",
            ahead.year,
            extra={"action": "holidays_unknown"},
        )
