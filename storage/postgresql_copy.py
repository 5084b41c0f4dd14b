"""A whole PostgreSQL schema as a stream of rows, from one moment, and back into empty tables."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import Connection

from domain.errors import StorageUnavailable
from storage.backup_file import BackupRefused

_LENGTH: Final = struct.Struct(">I")
_TABLES: Final = sa.text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('r', 'p') ORDER BY relname"
)
_COLUMNS: Final = sa.text(
    "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
    " WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
_KEY: Final = sa.text(
    "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
    " WHERE indrelid = CAST(:name AS regclass) AND indisprimary ORDER BY array_position(indkey, attnum)"
)
_SEQUENCE: Final = sa.text("SELECT pg_get_serial_sequence(:name, :column)")


def tables(connection: Connection) -> list[str]:
    """Every table of the schema in which Waystation lives."""
    return list(connection.scalars(_TABLES))


def copy_out(connection: Connection, body: BinaryIO) -> dict[str, int]:
    """Write all tables, as the transaction of `connection` sees them; returns the rows of each.

    The transaction must be a repeatable read, or tables are not of one moment.
    """
    counts = {}
    for name in tables(connection):
        told = _described(connection, name)
        line = json.dumps(told, ensure_ascii=True).encode("ascii")
        body.write(_LENGTH.pack(len(line)) + line)
        with _driver(connection) as cursor:
            with cursor.copy(_copy("COPY {} ({}) TO STDOUT", told)) as rows:
                for chunk in rows:
                    body.write(_LENGTH.pack(len(chunk)))
                    body.write(chunk)
            counts[name] = cursor.rowcount
        body.write(_LENGTH.pack(0))
    body.write(_LENGTH.pack(0))
    return counts


def copy_in(connection: Connection, body: BinaryIO) -> dict[str, int]:
    """Fill the tables with what `copy_out` wrote; what is in them goes. Returns the rows of each.

    Tables and columns of the time series that are not there are made as they were.
    """
    counts = {}
    there = set(tables(connection))
    while line := _frame(body):
        told = json.loads(line)
        name = told["table"]
        _prepare(connection, told, there)
        with _driver(connection) as cursor:
            with cursor.copy(_copy("COPY {} ({}) FROM STDIN", told)) as rows:
                while chunk := _frame(body):
                    rows.write(chunk)
            counts[name] = cursor.rowcount
        for column, reached in told["sequences"].items():
            sequence = connection.scalar(_SEQUENCE, {"name": _quoted(connection, name), "column": column})
            if sequence is not None:
                connection.execute(sa.select(sa.func.setval(sequence, *reached)))
    return counts


def _described(connection: Connection, name: str) -> dict[str, Any]:
    quoted = _quoted(connection, name)
    columns = [list(row) for row in connection.execute(_COLUMNS, {"name": quoted})]
    sequences = {}
    for column, _, _ in columns:
        sequence = connection.scalar(_SEQUENCE, {"name": quoted, "column": column})
        if sequence is not None:
            sequences[column] = list(
                connection.execute(sa.text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608
            )
    key = list(connection.scalars(_KEY, {"name": quoted}))
    return {"table": name, "columns": columns, "key": key, "sequences": sequences}


def _prepare(connection: Connection, told: dict[str, Any], there: set[str]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    name, columns = quote(told["table"]), told["columns"]
    if told["table"] not in there:
        parts = [f"{quote(column)} {type_}{' NOT NULL' if full else ''}" for column, type_, full in columns]
        if told["key"]:
            parts.append(f"PRIMARY KEY ({', '.join(quote(column) for column in told['key'])})")
        connection.exec_driver_sql(f"CREATE TABLE {name} ({', '.join(parts)})")
        return
    connection.exec_driver_sql(f"TRUNCATE {name}")
    known = {row[0] for row in connection.execute(_COLUMNS, {"name": name})}
    for column, type_, _ in columns:
        if column not in known:
            connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {quote(column)} {type_}")


def _copy(statement: str, told: dict[str, Any]) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column, _, _ in told["columns"])
    return sql.SQL(statement).format(sql.Identifier(told["table"]), columns)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _frame(body: BinaryIO) -> bytes:
    """The next piece; empty at the end of a table, and at the end of all."""
    head = body.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise BackupRefused("The backup ends too early: take another one.")
    (length,) = _LENGTH.unpack(head)
    piece = body.read(length)
    if len(piece) < length:
        raise BackupRefused("The backup ends too early: take another one.")
    return piece


@contextmanager
def _driver(connection: Connection) -> Iterator[psycopg.Cursor[Any]]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor:
            yield cursor
    except psycopg.OperationalError as error:
        raise StorageUnavailable(f"PostgreSQL is not available: {str(error).splitlines()[0]}") from error
