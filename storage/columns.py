"""The one set of tables, and the kinds of columns and tables that it is made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text(name: str, **options: Any) -> Column[str]:
    """Text that is always there; JSON is kept as text."""
    return Column(name, Text, nullable=False, **options)


def maybe_text(name: str) -> Column[str | None]:
    """Text that may be missing."""
    return Column(name, Text, nullable=True)


def whole(name: str, **options: Any) -> Column[int]:
    """A whole number that is always there; times are epoch milliseconds and end in _ms."""
    return Column(name, BigInteger, nullable=False, **options)


def maybe_whole(name: str, **options: Any) -> Column[int | None]:
    """A whole number that may be missing."""
    return Column(name, BigInteger, nullable=True, **options)


def truth(name: str) -> Column[bool]:
    """True or false."""
    return Column(name, Boolean, nullable=False)


def counted(name: str = "id") -> Column[int]:
    """A key that the database counts up and never gives out twice."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def table(name: str, *columns: Any, rowid: bool = False) -> Table:
    """A table with a key of its own.

    Without a rowid, SQLite keeps the row in the primary key's own tree: one tree instead of two.
    """
    return Table(name, metadata, *columns, sqlite_with_rowid=rowid)


def numbered(name: str, *columns: Any) -> Table:
    """A table whose rows are counted up in `id`."""
    return Table(name, metadata, counted(), *columns, sqlite_autoincrement=True)
