"""What is asked of devices: commands with their steps, and who asked to come in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, UniqueConstraint, and_

from storage.columns import maybe_text, maybe_whole, table, text, truth, whole

OPEN_COMMAND_STATES: Final = ("created", "preparing", "sent", "accepted")
"""While an unlock is in one of these, the door takes no second one."""

command = table(
    "command",
    text("id", primary_key=True),
    text("station"),
    text("adcode"),
    text("kind"),
    whole("n"),
    text("action"),
    text("args"),
    text("state"),
    maybe_text("reason"),
    maybe_text("because"),  # access:<id> | alert:<id>
    truth("must_hold"),  # repeated until the device confirms it
    whole("requested_ms"),  # database time less the age of the request
    text("actor"),
    maybe_text("idempotency_key"),
    whole("attempt"),
    maybe_whole("next_ms"),
    maybe_whole("claimed_epoch"),
    whole("updated_ms"),
    whole("version", index=True),
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

command_step = table(
    "command_step",
    text("command_id", primary_key=True),
    whole("step", primary_key=True, autoincrement=False),
    text("state"),
    whole("at_ms"),
    maybe_text("detail"),
)

access = table(
    "access",
    text("id", primary_key=True),
    whole("at_ms"),
    text("station"),
    whole("door_n"),
    text("actor"),
    maybe_text("subject"),  # a pseudonym, never a name or a number
    text("how"),  # link | token
    truth("granted"),
    text("reason"),
    text("reasons"),
    maybe_text("command_id"),
    maybe_text("idempotency_key"),
    UniqueConstraint("actor", "idempotency_key"),
    Index("ix_access_station", "station", "at_ms"),
    Index("ix_access_at_ms", "at_ms"),
)
