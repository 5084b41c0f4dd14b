"""Reads InfluxDB's annotated CSV: rows of tables, one after the other, with values of their own types."""

from __future__ import annotations

import csv
from calendar import timegm
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from domain.errors import StorageUnavailable
from domain.facts import Value

_COLUMNS: Final = ("_time", "_value", "_field", "part", "station", "_measurement", "device")


class Row(NamedTuple):
    """One value: when, of which field, part (0 without parts), and whose, where that was asked for."""

    at_ns: int
    value: Value
    field: str
    part: int
    station: str = ""
    measurement: str = ""
    device: str = ""


def rows(text: Iterable[str]) -> Iterator[Row]:
    """The rows of an answer with `_time` and, where they are asked for, the other columns that `Row` has.

    Raises StorageUnavailable when InfluxDB gives up in the middle of its answer.
    """
    types: list[str] = []
    read: Callable[[str], Value] = _text
    places: tuple[int, ...] | None = None
    gave_up: int | None = None
    for line in csv.reader(text):
        if not line or line[0].startswith("#"):
            places = None
            if line and line[0] == "#datatype":
                types = line
            continue
        if places is None:
            where = {name: at for at, name in enumerate(line)}
            places = tuple(where.get(name, -1) for name in _COLUMNS)
            gave_up = where.get("error")
            at = places[1]
            read = _text if at < 0 or at >= len(types) else _READERS.get(types[at], _text)
            continue
        if gave_up is not None:
            raise StorageUnavailable(f"InfluxDB gave up a query: {line[gave_up][:200]}.")
        at_time, at_value, at_field, at_part, at_station, at_measurement, at_device = places
        yield Row(
            nanoseconds(line[at_time]),
            read(line[at_value]) if at_value >= 0 else None,
            line[at_field] if at_field >= 0 else "",
            int(line[at_part] or 0) if at_part >= 0 else 0,
            line[at_station] if at_station >= 0 else "",
            line[at_measurement] if at_measurement >= 0 else "",
            line[at_device] if at_device >= 0 else "",
        )


def nanoseconds(text: str) -> int:
    """`2026-03-31T04:00:00.000000001Z` as nanoseconds since 1970."""
    fraction = text[20:-1]
    return _seconds(text[:19]) * 1_000_000_000 + (int(fraction.ljust(9, "0")) if fraction else 0)


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int:
    date, time = text.split("T")
    year, month, day = date.split("-")
    hour, minute, second = time.split(":")
    return timegm((int(year), int(month), int(day), int(hour), int(minute), int(second)))


def _text(text: str) -> str:
    """InfluxDB answers with the line ends of CSV also inside of a value."""
    return text.replace("\r\n", "\n")


def _truth(text: str) -> bool:
    return text == "true"


_READERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "double": float,
    "long": int,
    "unsignedLong": int,
    "boolean": _truth,
}
