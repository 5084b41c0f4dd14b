"""The tables of the time series, made from what the device kinds declare and extended as they grow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, MetaData, Table, Text

from devices.kind import ColumnType, Kind, Metric
from devices.registry import kinds
from domain.errors import BadSettings

_TYPES: Final[Mapping[ColumnType, Any]] = {"float": Double, "int": BigInteger, "bool": Boolean, "str": Text}

KEY: Final = ("station", "n", "at_ms", "seq", "boot")
PART_KEY: Final = ("station", "n", "part", "at_ms", "seq", "boot")
BESIDES: Final = ("speaker_kind", "speaker_n", "device_ts_ms", "received_ms", "extra")


@dataclass(frozen=True, slots=True)
class KindTables:
    """Where one kind's readings are kept: one row a message, and one row a part in it."""

    kind: Kind
    own: Table
    part: Table | None


@cache
def series_tables() -> Mapping[str, KindTables]:
    """The tables of every registered kind, by its name."""
    return make_tables(kinds().values(), MetaData())


def make_tables(declared: Iterable[Kind], metadata: MetaData) -> dict[str, KindTables]:
    """Describe the tables of these kinds; raise TypeError when a name is taken twice."""
    made = {}
    for kind in declared:
        own = _table(metadata, f"series_{kind.name}", KEY, BESIDES, kind.metrics.values())
        part = None
        if kind.parts is not None:
            name = f"series_{kind.name}_{kind.parts.name}"
            part = _table(metadata, name, PART_KEY, (), kind.part_metrics.values())
        made[kind.name] = KindTables(kind, own, part)
    return made


def _table(
    metadata: MetaData, name: str, key: Iterable[str], besides: Iterable[str], metrics: Iterable[Metric]
) -> Table:
    if name in metadata.tables:
        raise TypeError(f"two kinds, or a kind and a part, both want the table {name}: rename one")
    columns: list[Column[Any]] = [_key(column) for column in key]
    columns += [_beside(column) for column in besides]
    taken = {column.name for column in columns}
    for metric in metrics:
        if metric.name in taken:
            raise TypeError(f"{name}: a metric may not be called {metric.name!r}, every row has that already")
        columns.append(Column(metric.name, _TYPES[metric.type], nullable=True))
    return Table(
        name, metadata, *columns, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), sqlite_with_rowid=False
    )


def _key(name: str) -> Column[Any]:
    return Column(name, Text if name in ("station", "boot") else BigInteger, nullable=False)


def _beside(name: str) -> Column[Any]:
    if name in ("speaker_kind", "extra"):
        return Column(name, Text, nullable=name == "extra")
    return Column(name, BigInteger, nullable=name == "device_ts_ms")


def extend(connection: Connection, declared: Mapping[str, KindTables] | None = None) -> list[str]:
    """Create missing tables and add missing columns; returns what was made, as `table` or `table.column`.

    What is no longer declared stays. Raises BadSettings where a column has another type than declared.
    """
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    quote = connection.dialect.identifier_preparer
    made = []
    for tables in (declared or series_tables()).values():
        for table in (tables.own, tables.part):
            if table is None:
                continue
            if table.name not in there:
                table.create(connection)
                made.append(table.name)
                continue
            known = {column["name"]: column["type"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                wanted = column.type.compile(connection.dialect)
                if column.name not in known:
                    where, what = quote.format_table(table), quote.format_column(column)
                    connection.exec_driver_sql(f"ALTER TABLE {where} ADD COLUMN {what} {wanted}")
                    made.append(f"{table.name}.{column.name}")
                elif known[column.name].compile(connection.dialect) != wanted:
                    raise BadSettings(
                        f"{table.name}.{column.name} holds {known[column.name]} in the database, but the "
                        f"kind {tables.kind.name} now declares {wanted}: give the new metric a new name."
                    )
    return made
