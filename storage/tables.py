"""Every table but the time series; times are epoch milliseconds and end in _ms, JSON is kept as text."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

OPEN_COMMAND_STATES: Final = ("created", "preparing", "sent", "accepted")
"""While an unlock is in one of these, the door takes no second one."""


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _maybe_text(name: str) -> Column[str | None]:
    return Column(name, Text, nullable=True)


def _int(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


def _maybe_int(name: str, **options: Any) -> Column[int | None]:
    return Column(name, BigInteger, nullable=True, **options)


def _bool(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _number(name: str = "id") -> Column[int]:
    """A key that the database counts up and never gives out twice."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _table(name: str, *columns: Any, rowid: bool = False) -> Table:
    # Without a rowid, SQLite keeps the row in the primary key's own tree: one tree instead of two.
    return Table(name, metadata, *columns, sqlite_with_rowid=rowid)


def _numbered(name: str, *columns: Any) -> Table:
    return Table(name, metadata, _number(), *columns, sqlite_autoincrement=True)


meta = _table("meta", _text("key", primary_key=True), _text("value"))

shard = _table(
    "shard",
    Column("i", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    _int("epoch"),
    _maybe_text("holder"),
    _maybe_int("taken_ms"),
)

worker = _table(
    "worker",
    Column("shard", Integer, primary_key=True, autoincrement=False),
    _int("epoch"),
    _int("pid"),
    _int("seen_ms"),
    _maybe_int("quick_since_ms"),  # empty: this lane has not caught up
    _maybe_int("bulk_since_ms"),
)

version = _table("version", _text("writer", primary_key=True), _int("n"))

station = _table(
    "station",
    _text("id", primary_key=True),
    _text("adcode", index=True),  # the routing label, fixed for good
    _text("area"),  # the administrative division as of now, which may differ
    _text("number"),
    _text("name"),
    _maybe_text("name_en"),
    _maybe_text("address"),
    _maybe_text("address_en"),
    _text("grade"),  # basic | benchmark | smart24h
    _maybe_text("hours"),  # OSM opening_hours
    _maybe_text("night_hours"),  # self-service without staff
    _maybe_int("capacity"),
    Column("lat", Double, nullable=True),
    Column("lon", Double, nullable=True),
    _maybe_text("datum"),  # what the coordinates were given in, before they became WGS-84
    _maybe_text("phone"),
    _text("status"),  # active | paused | rebuilding | closed
    _maybe_text("status_reason"),
    _maybe_text("status_until"),
    _maybe_text("inside_egress"),  # how a person gets out without the server
    _int("created_ms"),
    _int("version", index=True),  # rises when the station, its devices or its doors change
)

device = _table(
    "device",
    _text("station", primary_key=True),
    _text("kind", primary_key=True),
    _int("n", primary_key=True, autoincrement=False),
    _text("speaker_kind"),
    _int("speaker_n"),
    _maybe_text("label"),
    _maybe_text("label_en"),
    _int("created_ms"),
)

door = _table(
    "door",
    _text("code", primary_key=True),
    _text("station"),
    _int("n"),
    _int("created_ms"),
    _maybe_int("revoked_ms"),
    Index("ix_door_station_n", "station", "n"),
)

credential = _table(
    "credential",
    _text("station", primary_key=True),
    _text("speaker_kind", primary_key=True),
    _int("speaker_n", primary_key=True, autoincrement=False),
    _text("public_key", primary_key=True),
    _int("issued_ms"),
    _maybe_int("revoked_ms"),
)

speaker = _table(
    "speaker",
    _text("station", primary_key=True),
    _text("kind", primary_key=True),
    _int("n", primary_key=True, autoincrement=False),
    _text("link"),  # online | offline | unknown
    _maybe_int("conn"),
    _maybe_text("boot"),
    _maybe_int("boot_since_ms"),
    _maybe_int("seen_ms"),
    _int("dropped"),
    _text("versions"),
    _maybe_int("link_changed_ms"),
)

boot = _table(
    "boot",
    _text("station", primary_key=True),
    _text("kind", primary_key=True),
    _int("n", primary_key=True, autoincrement=False),
    _text("boot", primary_key=True),
    _int("since_ms"),
    _maybe_int("newest_ts_ms"),
    _maybe_int("offset_ms"),
    _int("upto"),
    _text("ranges"),
    _int("updated_ms", index=True),
)

device_state = _table(
    "device_state",
    _text("station", primary_key=True),
    _text("kind", primary_key=True),  # `station`, n 0: what the rules watch for the whole station
    _int("n", primary_key=True, autoincrement=False),
    _text("state"),
    _maybe_int("seen_ms"),
    _maybe_int("due_ms"),
    _int("version", index=True),
    rowid=True,  # wide rows: a tree of keys and a heap of rows is the quicker shape
)

availability = _table(
    "availability",
    _text("station", primary_key=True),
    _text("adcode"),
    _text("facts"),
    _int("version", index=True),
    _int("changed_ms"),
)

alert = _table(
    "alert",
    _text("id", primary_key=True),
    _text("station"),
    _text("adcode"),
    _text("kind"),
    _int("n"),
    _int("part"),
    _text("code"),
    _text("severity"),  # emergency | major | minor | info
    _bool("safety"),
    _text("state"),  # firing | acknowledged | resolved
    _int("rulebook_version"),
    _bool("latched"),
    _int("happened_ms"),
    _int("learned_ms"),
    _bool("refuse_entry"),
    _text("values_json"),
    _text("text_zh"),
    _text("text_en"),
    _maybe_int("acked_ms"),
    _maybe_text("acked_by"),
    _maybe_int("resolved_ms"),
    _maybe_text("resolved_reason"),
    _maybe_text("resolved_by"),
    _maybe_text("note"),
    _int("flaps"),
    _int("version", index=True),
    Index("ix_alert_station", "station", "id"),
    rowid=True,
)
alert_is_open = alert.c.resolved_ms.is_(None)
Index(
    "uq_alert_open",
    alert.c.station,
    alert.c.kind,
    alert.c.n,
    alert.c.part,
    alert.c.code,
    unique=True,
    sqlite_where=alert_is_open,
    postgresql_where=alert_is_open,
)

alert_basis = _table(
    "alert_basis",
    _text("alert_id", primary_key=True),
    _int("flap", primary_key=True, autoincrement=False),  # 0: it opened; then each time it began again
    _int("at_ms"),
    _text("body"),  # why, with the values and where they come from
)

notice = _numbered(
    "notice",
    _text("alert_id"),
    _text("what"),  # opened | resolved | escalated
    _text("channel"),
    _text("state"),  # waiting | claimed | sent | failed
    _int("attempts"),
    _int("next_ms"),
    _maybe_text("claimed_by"),
    _maybe_int("claimed_ms"),
    _maybe_text("last_error"),
    _int("created_ms"),
    _maybe_int("sent_ms"),
    _bool("repeated"),
    UniqueConstraint("alert_id", "what", "channel"),
    Index("ix_notice_next", "state", "next_ms"),
)

command = _table(
    "command",
    _text("id", primary_key=True),
    _text("station"),
    _text("adcode"),
    _text("kind"),
    _int("n"),
    _text("action"),
    _text("args"),
    _text("state"),
    _maybe_text("reason"),
    _maybe_text("because"),  # access:<id> | alert:<id>
    _bool("must_hold"),  # repeated until the device confirms it
    _int("requested_ms"),  # database time less the age of the request
    _text("actor"),
    _maybe_text("idempotency_key"),
    _int("attempt"),
    _maybe_int("next_ms"),
    _maybe_int("claimed_epoch"),
    _int("updated_ms"),
    _int("version", index=True),
    Index("ix_command_state", "state", "next_ms"),
    Index("ix_command_device", "station", "kind", "n", "requested_ms"),
    rowid=True,
)
unlock_in_flight = and_(command.c.action == "unlock", command.c.state.in_(OPEN_COMMAND_STATES))
Index(
    "uq_command_unlock_in_flight",
    command.c.station,
    command.c.kind,
    command.c.n,
    unique=True,
    sqlite_where=unlock_in_flight,
    postgresql_where=unlock_in_flight,
)

command_step = _table(
    "command_step",
    _text("command_id", primary_key=True),
    _int("step", primary_key=True, autoincrement=False),
    _text("state"),
    _int("at_ms"),
    _maybe_text("detail"),
)

access = _table(
    "access",
    _text("id", primary_key=True),
    _int("at_ms"),
    _text("station"),
    _int("door_n"),
    _text("actor"),
    _maybe_text("subject"),  # a pseudonym, never a name or a number
    _text("how"),  # link | token
    _bool("granted"),
    _text("reason"),
    _text("reasons"),
    _maybe_text("command_id"),
    _maybe_text("idempotency_key"),
    UniqueConstraint("actor", "idempotency_key"),
    Index("ix_access_station", "station", "at_ms"),
    Index("ix_access_at_ms", "at_ms"),
)

event = _numbered(
    "event",
    _text("station"),
    _text("kind"),
    _int("n"),
    _text("speaker_kind"),
    _int("speaker_n"),
    _text("boot"),
    _int("seq"),
    _int("at_ms"),
    _maybe_int("device_ts_ms"),
    _int("received_ms"),
    _text("type"),  # an answer to a command is `reply.<state>`
    _int("part"),
    _text("body"),
    UniqueConstraint("station", "speaker_kind", "speaker_n", "boot", "seq"),
    Index("ix_event_device", "station", "kind", "n", "at_ms"),
    Index("ix_event_received_ms", "received_ms"),
)

quarantine = _numbered(
    "quarantine",
    _text("sha", unique=True),  # of topic and payload: the same bytes again only raise the count
    _text("topic"),
    Column("payload", LargeBinary, nullable=False),
    _int("size"),
    _text("reason"),
    _text("path"),
    _text("detail"),
    _maybe_text("station"),
    _maybe_text("boot"),
    _maybe_int("seq"),
    _int("first_ms"),
    _int("last_ms"),
    _int("count"),
    _text("state"),  # waiting | replayed | dropped
    _maybe_int("replayed_ms"),
    Index("ix_quarantine_last_ms", "last_ms"),
    Index("ix_quarantine_station", "station", "id"),
)

replay = _numbered(
    "replay",
    _int("quarantine_id", index=True),
    _int("requested_ms"),
    _maybe_int("done_ms", index=True),
    _maybe_text("result"),
)

rulebook = Table(
    "rulebook",
    metadata,
    _number("version"),
    _text("area"),
    _text("text"),
    _text("sha"),
    _text("actor"),
    _int("created_ms"),
    _bool("active"),
    sqlite_autoincrement=True,
)

api_token = _table(
    "api_token",
    _text("id", primary_key=True),
    _text("name"),
    _text("hash", unique=True),
    _text("scopes"),
    _text("area"),
    _int("created_ms"),
    _maybe_int("expires_ms"),
    _maybe_int("revoked_ms"),
    _maybe_int("last_used_ms"),
)

sign_in = _table(
    "sign_in",
    _text("hash", primary_key=True),
    _text("token_id"),
    _int("expires_ms"),
    _maybe_int("used_ms"),
)

audit = _numbered(
    "audit",
    _int("at_ms", index=True),
    _text("actor"),
    _text("action"),
    _text("target"),
    _text("result"),
    _text("detail"),
)
