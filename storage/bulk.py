"""The quick way for many rows: a statement that is prepared once, and tuples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = tuple[Any, ...]
OnConflict = Literal["fail", "keep", "replace"]

_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
}


class Insert:
    """Writes rows of `columns` (all of the table when none are given) in that order.

    `on_conflict`: what happens to a row whose key is there already: `fail`, `keep` the old one, or
    `replace` the values of all columns that are not in the key. `key` is the primary key when not given.
    Values go to the driver as they are: numbers, truth values, text, bytes, None.
    """

    __slots__ = ("_sql", "columns")

    def __init__(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        *,
        on_conflict: OnConflict = "fail",
        key: Sequence[str] | None = None,
    ) -> None:
        self.columns = tuple(columns or table.columns.keys())
        unknown = set(self.columns) - set(table.columns.keys())
        if unknown:
            raise TypeError(f"{table.name} has no columns {sorted(unknown)}")
        keys = tuple(key or (column.name for column in table.primary_key))
        self._sql = {name: _statement(name, table, self.columns, on_conflict, keys) for name in _DIALECTS}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Write the rows; returns how many were new or replaced. No rows, no statement."""
        if not rows:
            return 0
        sql = self._sql[connection.dialect.name]
        return connection.exec_driver_sql(sql, rows if isinstance(rows, list) else list(rows)).rowcount


def _statement(
    dialect: str, table: Table, columns: tuple[str, ...], on_conflict: OnConflict, key: tuple[str, ...]
) -> str:
    quote = _DIALECTS[dialect].identifier_preparer.quote
    names = ", ".join(quote(column) for column in columns)
    marks = ", ".join(["?" if dialect == "sqlite" else "%s"] * len(columns))
    sql = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608
    if on_conflict == "fail":
        return sql
    target = ", ".join(quote(column) for column in key)
    rest = [quote(column) for column in columns if column not in key]
    if on_conflict == "keep" or not rest:
        return f"{sql} ON CONFLICT ({target}) DO NOTHING"
    return f"{sql} ON CONFLICT ({target}) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in rest)


@lru_cache(maxsize=64)
def upsert(table: Table) -> Insert:
    """All columns of a table, the newest row wins."""
    return Insert(table, on_conflict="replace")
