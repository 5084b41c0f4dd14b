"""Who did what to what, and how it ended; rows are only ever added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from storage.tables import audit

Result = Literal["ok", "refused", "failed"]


class AuditRow(NamedTuple):
    """One act. `actor` is a token's id, `cli` or `nobody`; no name, no number, no secret."""

    id: int
    at_ms: int
    actor: str
    action: str
    target: str
    result: str
    detail: dict[str, Any]


def note(
    conn: Connection,
    at_ms: int,
    actor: str,
    action: str,
    target: str,
    result: Result,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one act down, in the transaction in which it happens."""
    text = json.dumps(dict(detail or {}), ensure_ascii=False, sort_keys=True)
    conn.execute(
        sa.insert(audit).values(
            at_ms=at_ms, actor=actor, action=action, target=target, result=result, detail=text
        )
    )


def newest(conn: Connection, limit: int = 100, action: str | None = None) -> list[AuditRow]:
    """The last acts, newest first."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if action is not None:
        query = query.where(audit.c.action == action)
    return [
        AuditRow(row.id, row.at_ms, row.actor, row.action, row.target, row.result, json.loads(row.detail))
        for row in conn.execute(query)
    ]
