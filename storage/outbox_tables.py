"""Readings on their way elsewhere, and how far each reader has come."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from storage.columns import metadata

outbox = Table(
    "series_outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
position = Table(
    "series_position",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", BigInteger, nullable=False),
)
