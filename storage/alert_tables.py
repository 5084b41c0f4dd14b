"""Alerts, why they opened, and the notices that go out for them."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint

from storage.columns import maybe_text, maybe_whole, numbered, table, text, truth, whole

alert = table(
    "alert",
    text("id", primary_key=True),
    text("station"),
    text("adcode"),
    text("kind"),
    whole("n"),
    whole("part"),
    text("code"),
    text("severity"),  # emergency | major | minor | info
    truth("safety"),
    text("state"),  # firing | acknowledged | resolved
    whole("rulebook_version"),
    truth("latched"),
    whole("happened_ms"),
    whole("learned_ms"),
    truth("refuse_entry"),
    text("values_json"),
    text("text_zh"),
    text("text_en"),
    maybe_whole("acked_ms"),
    maybe_text("acked_by"),
    maybe_whole("resolved_ms"),
    maybe_text("resolved_reason"),
    maybe_text("resolved_by"),
    maybe_text("note"),
    whole("flaps"),
    whole("version", index=True),
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

alert_basis = table(
    "alert_basis",
    text("alert_id", primary_key=True),
    whole("flap", primary_key=True, autoincrement=False),  # 0: it opened; then each time it began again
    whole("at_ms"),
    text("body"),  # why, with the values and where they come from
)

notice = numbered(
    "notice",
    text("alert_id"),
    text("what"),  # opened | resolved | escalated
    text("channel"),
    text("state"),  # waiting | claimed | sent | failed
    whole("attempts"),
    whole("next_ms"),
    maybe_text("claimed_by"),
    maybe_whole("claimed_ms"),
    maybe_text("last_error"),
    whole("created_ms"),
    maybe_whole("sent_ms"),
    truth("repeated"),
    UniqueConstraint("alert_id", "what", "channel"),
    Index("ix_notice_next", "state", "next_ms"),
)
