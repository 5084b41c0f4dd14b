"""Stations as a table that a county office keeps: read as a whole, or refused with every mistake's place."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from domain.errors import WaystationError
from domain.ids import is_station_id
from rules.calendar import Calendar
from rules.schedule import Hours
from runtime.equipment import device_id
from storage.stations import Grade, Station, Status

MISTAKES_SHOWN = 20
_CALENDAR = Calendar()
_TEXTS = (
    "number", "name", "name_en", "address", "address_en", "phone", "status_reason", "inside_egress",
)  # fmt: skip


class BadStationTable(WaystationError):
    """A table of stations cannot be taken; each line of the message names line and column."""


class StationLine(NamedTuple):
    """One line: the station and the names of its devices."""

    station: Station
    devices: list[str]


def read_stations(path: Path, now_ms: int) -> list[StationLine]:
    """Read a CSV file; raise BadStationTable with all mistakes (the first twenty), each with its place."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as exc:
        raise BadStationTable(f"{path}: is not UTF-8 text; save it as `CSV UTF-8`.") from exc
    except csv.Error as exc:
        raise BadStationTable(f"{path}: is not a table of values with commas: {exc}.") from exc
    except OSError as exc:
        raise BadStationTable(f"{path}: cannot be read: {exc.strerror}.") from exc
    columns = [name.strip() for name in lines[0]] if lines else []
    found, mistakes = [], _of_columns(columns)
    seen: dict[str, int] = {}
    for number, cells in enumerate([] if mistakes else lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            mistakes.append(f"line {number}: has {len(cells)} values, line 1 names {len(columns)} columns")
            continue
        given = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}
        line, wrong = _line(given, now_ms)
        mistakes += [f"line {number}, column {column}: {said}" for column, said in wrong]
        if line is None:
            continue
        first = seen.setdefault(line.station.id, number)
        if first != number:
            mistakes.append(f"line {number}, column id: {line.station.id} is in line {first} already")
        found.append(line)
    if mistakes:
        more = len(mistakes) - MISTAKES_SHOWN
        shown = [f"{path}: {mistake}." for mistake in mistakes[:MISTAKES_SHOWN]]
        raise BadStationTable("\n".join(shown + ([f"{path}: and {more} more."] if more > 0 else [])))
    return found


def make_station(given: Mapping[str, str], now_ms: int) -> Station:
    """One station from texts by column; raise BadStationTable with a sentence for each mistake."""
    line, wrong = _line(given, now_ms)
    if line is None:
        raise BadStationTable("\n".join(f"{column}: {said}." for column, said in wrong))
    return line.station


def _of_columns(columns: Sequence[str]) -> list[str]:
    known = (*_READERS, "devices")
    wrong = [
        f"line 1, column {at}: {name[:40]!r} is not a column; there are {', '.join(known)}"
        for at, name in enumerate(columns, 1)
        if name not in known
    ]
    twice = {name for name in columns if columns.count(name) > 1}
    wrong += [f"line 1: the column {name} is there twice" for name in sorted(twice)]
    return wrong + [f"line 1: the column {name} is missing" for name in ("id", "name") if name not in columns]


def _line(given: Mapping[str, str], now_ms: int) -> tuple[StationLine | None, list[tuple[str, str]]]:
    """The line, or None and what is wrong with which column."""
    values: dict[str, Any] = {}
    wrong = [(column, "is empty") for column in ("id", "name") if not given.get(column)]
    for column, text in given.items():
        try:
            if column == "devices":
                for name in text.split():
                    device_id("", name)
            else:
                values[column] = _READERS[column](text)
        except (ValueError, WaystationError) as exc:
            wrong.append((column, str(exc).removesuffix(".")))
    if wrong:
        return None, wrong
    id_ = str(values.pop("id"))
    if "lat" in values or "lon" in values:
        values.setdefault("datum", "WGS-84")
    values.setdefault("number", id_.partition("-")[2])
    values.setdefault("area", id_[:6])
    station = Station(id=id_, adcode=id_[:6], created_ms=now_ms, **values)
    return StationLine(station, given.get("devices", "").split()), wrong


def _id(text: str) -> str:
    if not is_station_id(text):
        raise ValueError(
            f"{text[:40]!r} is not a station: it needs six digits, a dash and a serial of letters and digits"
        )
    return text


def _text(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise ValueError("must be at most 200 letters on one line")
    return text


def _area(text: str) -> str:
    if not (len(text) == 6 and text.isascii() and text.isdecimal()):
        raise ValueError(f"{text[:40]!r} is not a division of six digits")
    return text


def _hours(text: str) -> str:
    try:
        Hours(text, _CALENDAR)
    except ValueError as exc:
        raise ValueError(f"{text[:60]!r} is not like `Mo-Su 06:00-22:00` or `24/7`: {exc}") from exc
    return text


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(choices)}")
        return text

    return read


def _seats(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise ValueError(f"{text[:40]!r} is not a number of seats")
    return int(text)


def _degrees(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"{text[:40]!r} is not a number of degrees between {low:g} and {high:g}")
        return value

    return read


def _date(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a date like 2026-05-01") from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "id": _id,
    **dict.fromkeys(_TEXTS, _text),
    "area": _area,
    "grade": _one_of(get_args(Grade)),
    "hours": _hours,
    "night_hours": _hours,
    "capacity": _seats,
    "lat": _degrees(-90, 90),
    "lon": _degrees(-180, 180),
    "datum": _one_of(("WGS-84",)),
    "status": _one_of(get_args(Status)),
    "status_until": _date,
}
