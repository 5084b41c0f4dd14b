"""The tables behind the sending of readings: who sends and how it goes, and what was refused."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text

from storage.columns import maybe_text, table, text, whole

sender = table(
    "series_sender",
    text("name", primary_key=True),
    maybe_text("holder"),
    whole("until_ms"),  # the holder's claim ends then
    text("state"),
    text("said"),
    whole("since_ms"),
    whole("messages"),
    whole("points"),
    whole("too_old"),
    whole("rolled_up"),
)

parked = table(
    "series_parked",
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # as in the outbox
    Column("topic", Text, nullable=False),
    text("boot"),
    whole("seq"),
    whole("at_ms"),
    whole("received_ms"),
    Column("payload", LargeBinary, nullable=False),
    whole("status"),
    text("said"),
    whole("parked_ms"),
    whole("times"),
    text("state"),  # waiting, again, dropped
    Index("ix_series_parked_state_id", "state", "id"),
    Index("ix_series_parked_parked_ms", "parked_ms"),
)
