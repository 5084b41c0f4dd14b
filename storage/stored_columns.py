"""Columns of stored rows, some hours at a time; of one that seldom changes only the exceptions are read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Select, Table

_USUAL: Final = 0.9
"""What so many of the rows say is taken to be what the next ones say, too."""
_MOST_STATEMENTS: Final = 1_000
_ORDER: Final = ("at_ms", "seq", "boot")
AHEAD: Final = "ahead"
"""As a name: by how much the device's own time differs from that which counts."""


class Rows(NamedTuple):
    """Rows in their order, by columns. `still` are the columns in which every row says the same."""

    at_ms: tuple[int, ...]
    columns: dict[str, tuple[Any, ...]]
    still: frozenset[str]


class ColumnReader:
    """Reads some columns of a table of readings, of one device or part; `here` gives their key."""

    def __init__(self, table: Table, here: Mapping[str, Any], names: tuple[str, ...]) -> None:
        self._table = table
        self._here = here
        self._names = names
        self._usual: dict[str, Any] = {}

    def read(self, connection: Connection, from_ms: int, to_ms: int) -> Rows:
        """The rows that count from `from_ms` up to, not including, `to_ms`."""
        usual = self._usual
        key, steady = tuple(self._here), tuple(usual)
        moving = tuple(name for name in self._names if name not in usual)
        values = {**self._here, "from_ms": from_ms, "to_ms": to_ms}
        values.update((f"usual_{at}", value) for at, value in enumerate(usual.values()))
        rows = _fetch(connection, _moving(self._table, key, moving, steady), values)
        if not rows:
            return Rows((), dict.fromkeys(self._names, ()), frozenset())
        at_ms, odd, *columns = zip(*rows, strict=True)
        found = dict(zip(moving, columns, strict=True))
        found.update((name, (value,) * len(at_ms)) for name, value in usual.items())
        still = set(usual)
        if any(odd):
            if len(set(at_ms)) < len(at_ms):
                # No time names a row by itself: they are read as they are.
                usual.clear()
                return self.read(connection, from_ms, to_ms)
            still -= _put(
                found, at_ms, steady, _fetch(connection, _exceptions(self._table, key, steady), values)
            )
        return Rows(at_ms, {name: found[name] for name in self._names}, self._learn(found, still))

    def _learn(self, found: Mapping[str, tuple[Any, ...]], still: set[str]) -> frozenset[str]:
        """Note what most rows say; returns in which columns all do."""
        for name, column in found.items():
            if name in still:
                continue
            last, count = column[-1], len(column)
            said = column.count(last) if column[0] == last or column[count // 2] == last else 0
            if said == count:
                still.add(name)
            if said >= _USUAL * count:
                self._usual[name] = last
            else:
                self._usual.pop(name, None)
        return frozenset(still)


def _put(
    found: dict[str, tuple[Any, ...]],
    at_ms: Sequence[int],
    names: tuple[str, ...],
    exceptions: list[tuple[Any, ...]],
) -> set[str]:
    """Put the exceptions into their places; returns the columns in which there are some."""
    times, *values = zip(*exceptions, strict=True)
    places = [bisect_left(at_ms, one_ms) for one_ms in times]
    changed = set()
    for name, said in zip(names, values, strict=True):
        usual = found[name][0]
        if said.count(usual) == len(said):
            continue
        column = list(found[name])
        for place, value in zip(places, said, strict=True):
            column[place] = value
        found[name] = tuple(column)
        changed.add(name)
    return changed


def _column(table: Table, name: str) -> sa.ColumnElement[Any]:
    return table.c.device_ts_ms - table.c.at_ms if name == AHEAD else table.c[name]


def _select(table: Table, key: tuple[str, ...], wanted: Sequence[sa.ColumnElement[Any]]) -> Select[Any]:
    at_ms = table.c.at_ms
    return (
        sa.select(at_ms, *wanted)
        .where(*(table.c[name] == sa.bindparam(name) for name in key))
        .where(at_ms >= sa.bindparam("from_ms"), at_ms < sa.bindparam("to_ms"))
        .order_by(*(table.c[name] for name in _ORDER))
    )


def _is_odd(table: Table, steady: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """Any of these columns does not say what is usual."""
    columns = (_column(table, name) for name in steady)
    differs = [
        column.is_distinct_from(sa.bindparam(f"usual_{at}", type_=column.type))
        for at, column in enumerate(columns)
    ]
    return sa.or_(sa.false(), *differs)


@lru_cache(maxsize=_MOST_STATEMENTS)
def _moving(
    table: Table, key: tuple[str, ...], moving: tuple[str, ...], steady: tuple[str, ...]
) -> Select[Any]:
    """All rows: whether any of the steady columns is odd, and what the others say."""
    return _select(table, key, [_is_odd(table, steady), *(_column(table, name) for name in moving)])


@lru_cache(maxsize=_MOST_STATEMENTS)
def _exceptions(table: Table, key: tuple[str, ...], steady: tuple[str, ...]) -> Select[Any]:
    """The rows that are odd."""
    return _select(table, key, [_column(table, name) for name in steady]).where(_is_odd(table, steady))


def _fetch(connection: Connection, asked: Select[Any], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Plain tuples from the driver: millions of rows need no names."""
    result = connection.execute(asked, values)
    cursor = result.cursor
    assert cursor is not None
    rows: list[tuple[Any, ...]] = cursor.fetchall()  # type: ignore[assignment]
    result.close()
    return rows
