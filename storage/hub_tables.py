"""What the hub keeps of itself: who runs, versions, rulebooks, who may ask and what was done."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from storage.columns import counted, maybe_text, maybe_whole, metadata, numbered, table, text, truth, whole

meta = table("meta", text("key", primary_key=True), text("value"))

shard = table(
    "shard",
    Column("i", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    whole("epoch"),
    maybe_text("holder"),
    maybe_whole("taken_ms"),
)

worker = table(
    "worker",
    Column("shard", Integer, primary_key=True, autoincrement=False),
    whole("epoch"),
    whole("pid"),
    whole("seen_ms"),
    maybe_whole("quick_since_ms"),  # empty: this lane has not caught up
    maybe_whole("bulk_since_ms"),
)

version = table("version", text("writer", primary_key=True), whole("n"))

rulebook = Table(
    "rulebook",
    metadata,
    counted("version"),
    text("area"),
    text("text"),
    text("sha"),
    text("actor"),
    whole("created_ms"),
    truth("active"),
    sqlite_autoincrement=True,
)

api_token = table(
    "api_token",
    text("id", primary_key=True),
    text("name"),
    text("hash", unique=True),
    text("scopes"),
    text("area"),
    whole("created_ms"),
    maybe_whole("expires_ms"),
    maybe_whole("revoked_ms"),
    maybe_whole("last_used_ms"),
)

sign_in = table(
    "sign_in",
    text("hash", primary_key=True),
    text("token_id"),
    whole("expires_ms"),
    maybe_whole("used_ms"),
)

audit = numbered(
    "audit",
    whole("at_ms", index=True),
    text("actor"),
    text("action"),
    text("target"),
    text("result"),
    text("detail"),
)
