"""The tables of hours: values of a series in one hour, uptime and use of a station in one hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from storage.tables import metadata


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, primary_key=key)


def _int(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=False, primary_key=key, autoincrement=False)


rollup = Table(
    "rollup",
    metadata,
    _text("station", key=True),
    _text("kind", key=True),
    _int("n", key=True),
    _int("part", key=True),  # 0 is the device itself
    _int("hour_ms", key=True),
    _int("messages"),
    _text("metrics"),  # by name: reports, min, sum, max, last
    Index("ix_rollup_hour_ms", "hour_ms"),
    sqlite_with_rowid=False,
)

rolled = Table(
    "rolled",
    metadata,
    _text("station", key=True),
    _int("until_ms"),  # every hour before this is rolled up
    sqlite_with_rowid=False,
)

late_hour = Table(
    "late_hour",
    metadata,
    _text("station", key=True),
    _int("hour_ms", key=True),
    _int("times"),  # rises with each late batch, so that nobody takes a mark away that has moved
    sqlite_with_rowid=False,
)

uptime_hour = Table(
    "uptime_hour",
    metadata,
    _text("station", key=True),
    _text("amenity", key=True),
    _int("hour_ms", key=True),
    _int("up_ms"),
    _int("down_ms"),
    _int("unknown_ms"),
    _int("closed_ms"),
    Index("ix_uptime_hour_hour_ms", "hour_ms"),
    sqlite_with_rowid=False,
)

use_hour = Table(
    "use_hour",
    metadata,
    _text("station", key=True),
    _int("hour_ms", key=True),
    Column("visits", BigInteger, nullable=True),  # empty: nothing counts people there
    _int("person_ms"),
    _int("counted_ms"),
    _int("openings"),
    _int("jams"),
    _int("swaps"),
    _int("received"),  # reports, of each device at most what was expected
    _int("expected"),
    Index("ix_use_hour_hour_ms", "hour_ms"),
    sqlite_with_rowid=False,
)
