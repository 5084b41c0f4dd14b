"""What devices said, and what is known of them since."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint

from storage.columns import maybe_text, maybe_whole, numbered, table, text, whole

speaker = table(
    "speaker",
    text("station", primary_key=True),
    text("kind", primary_key=True),
    whole("n", primary_key=True, autoincrement=False),
    text("link"),  # online | offline | unknown
    maybe_whole("conn"),
    maybe_text("boot"),
    maybe_whole("boot_since_ms"),
    maybe_whole("seen_ms"),
    whole("dropped"),
    text("versions"),
    maybe_whole("link_changed_ms"),
)

boot = table(
    "boot",
    text("station", primary_key=True),
    text("kind", primary_key=True),
    whole("n", primary_key=True, autoincrement=False),
    text("boot", primary_key=True),
    whole("since_ms"),
    maybe_whole("newest_ts_ms"),
    maybe_whole("offset_ms"),
    whole("upto"),
    text("ranges"),
    whole("updated_ms", index=True),
)

device_state = table(
    "device_state",
    text("station", primary_key=True),
    text("kind", primary_key=True),  # `station`, n 0: what the rules watch for the whole station
    whole("n", primary_key=True, autoincrement=False),
    text("state"),
    maybe_whole("seen_ms"),
    rowid=True,  # wide rows: a tree of keys and a heap of rows is the quicker shape
)

station_ages = table(
    "station_ages",
    text("station", primary_key=True),
    text("ages"),  # of its devices, where younger than their states
    whole("written_ms"),
)

availability = table(
    "availability",
    text("station", primary_key=True),
    text("adcode"),
    text("facts"),
    whole("version", index=True),
    whole("changed_ms"),
)

event = numbered(
    "event",
    text("station"),
    text("kind"),
    whole("n"),
    text("speaker_kind"),
    whole("speaker_n"),
    text("boot"),
    whole("seq"),
    whole("at_ms"),
    maybe_whole("device_ts_ms"),
    whole("received_ms"),
    text("type"),  # an answer to a command is `reply.<state>`
    whole("part"),
    text("body"),
    UniqueConstraint("station", "speaker_kind", "speaker_n", "boot", "seq"),
    Index("ix_event_device", "station", "kind", "n", "at_ms"),
    Index("ix_event_received_ms", "received_ms"),
)

quarantine = numbered(
    "quarantine",
    text("sha", unique=True),  # of topic and payload: the same bytes again only raise the count
    text("topic"),
    Column("payload", LargeBinary, nullable=False),
    whole("size"),
    text("reason"),
    text("path"),
    text("detail"),
    maybe_text("station"),
    maybe_text("boot"),
    maybe_whole("seq"),
    whole("first_ms"),
    whole("last_ms"),
    whole("count"),
    text("state"),  # waiting | replayed | dropped
    maybe_whole("replayed_ms"),
    Index("ix_quarantine_last_ms", "last_ms"),
    Index("ix_quarantine_station", "station", "id"),
)

replay = numbered(
    "replay",
    whole("quarantine_id", index=True),
    whole("requested_ms"),
    maybe_whole("done_ms", index=True),
    maybe_text("result"),
)
