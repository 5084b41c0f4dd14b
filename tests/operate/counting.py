"""What is in a database, counted: every table, and every message of stations."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from storage.database import Database

Heard = tuple[str, str, int]
"""Station, boot, seq."""


def contents(database: Database) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every row of every table, as often as it is there."""
    with database.read() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        return {
            table.name: Counter(tuple(row) for row in connection.execute(sa.select(table)))
            for table in found.sorted_tables
        }


def messages(database: Database) -> Counter[Heard]:
    """How many rows each message of a station has, over series, events and quarantine."""
    counts: Counter[Heard] = Counter()
    with database.read() as connection:
        names = sa.inspect(connection).get_table_names()
        for name in names:
            columns = {column["name"] for column in sa.inspect(connection).get_columns(name)}
            is_message = name in ("event", "quarantine") or (
                name.startswith("series_") and "part" not in columns
            )
            if is_message and {"station", "boot", "seq"} <= columns:
                query = sa.text(
                    f"SELECT station, boot, seq FROM {name} WHERE boot IS NOT NULL AND seq IS NOT NULL"
                )
                counts.update((row[0], row[1], row[2]) for row in connection.execute(query))
    return counts


def missing(database: Database, promised: set[Heard]) -> list[Heard]:
    """Promised and not there."""
    return sorted(promised - messages(database).keys())


def doubled(database: Database) -> list[Heard]:
    """There more than once."""
    return sorted(key for key, count in messages(database).items() if count > 1)
