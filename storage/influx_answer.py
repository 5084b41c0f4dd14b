"""Reads InfluxDB's annotated CSV: rows of tables, one after the other, with values of their own types."""

from __future__ import annotations

import csv
from calendar import timegm
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from domain.errors import StorageUnavailable
from domain.facts import Value


class Row(NamedTuple):
    """One value: when, of which field and part (0 without parts)."""

    at_ns: int
    value: Value
    field: str
    part: int


def rows(text: Iterable[str]) -> Iterator[Row]:
    """The rows of an answer with `_time` and, where they are asked for, `_value`, `_field` and `part`.

    Raises StorageUnavailable when InfluxDB gives up in the middle of its answer.
    """
    types: list[str] = []
    read: Callable[[str], Value] = _text
    where: Mapping[str, int] | None = None
    for line in csv.reader(text):
        if not line:
            where = None
            continue
        if line[0].startswith("#"):
            where = None
            if line[0] == "#datatype":
                types = line
            continue
        if where is None:
            where = {name: at for at, name in enumerate(line)}
            if "error" in where:
                continue
            at = where.get("_value")
            read = _text if at is None or at >= len(types) else _READERS.get(types[at], _text)
            continue
        if "error" in where:
            raise StorageUnavailable(f"InfluxDB gave up a query: {line[where['error']][:200]}.")
        yield Row(
            nanoseconds(line[where["_time"]]),
            read(line[where["_value"]]) if "_value" in where else None,
            line[where["_field"]] if "_field" in where else "",
            int(line[where["part"]] or 0) if "part" in where else 0,
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
