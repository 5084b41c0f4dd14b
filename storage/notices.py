"""What must be told to someone: written with the alert, claimed before sending, never dropped in silence."""

from __future__ import annotations

import json
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from storage.tables import alert, notice, station

What = Literal["opened", "resolved", "escalated"]

CLAIM_LIFE_MS: Final = 60_000
"""An older claim belongs to a sender that died: somebody else sends, and says that it may be twice."""


class NoticeRow(NamedTuple):
    """A claimed notice with what its message needs. `repeated`: an earlier attempt may have arrived."""

    id: int
    what: str
    channel: str
    attempts: int
    repeated: bool
    created_ms: int
    claimed_by: str
    claimed_ms: int
    alert: AlertFacts


class AlertFacts(NamedTuple):
    """The alert and its station, as they are when the notice is claimed."""

    id: str
    station: str
    adcode: str
    station_name: str | None
    station_name_en: str | None
    address: str | None
    kind: str
    n: int
    part: int
    code: str
    severity: str
    safety: bool
    state: str
    happened_ms: int
    learned_ms: int
    values: dict[str, Any]
    text_zh: str
    text_en: str
    resolved_ms: int | None
    resolved_reason: str | None
    note: str | None
    incident: str
    """Its own id, or that of the first safety alert of the station still open, if this one followed it."""


def create(conn: Connection, alert_id: str, what: What, channel: str, now_ms: int) -> bool:
    """Write a notice, in the alert's own transaction; False when it is there already.

    That an alert is over is told only where it was told, or will be, that it began.
    """
    if what != "opened" and not conn.scalar(sa.select(_told_of(alert_id, channel))):
        return False
    insert = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(notice)
    added = insert.values(
        alert_id=alert_id, what=what, channel=channel, state="waiting", attempts=0, next_ms=now_ms,
        created_ms=now_ms, repeated=False,
    ).on_conflict_do_nothing()  # fmt: skip
    return conn.scalar(added.returning(notice.c.id)) is not None


def begin(conn: Connection, channel: str, now_ms: int) -> int:
    """Let a channel that is new hear of what is open already, but for what is only worth knowing."""
    row = sa.select(
        alert.c.id, sa.literal("opened"), sa.literal(channel), sa.literal("waiting"), sa.literal(0),
        sa.literal(now_ms), sa.literal(now_ms), sa.false(),
    ).where(
        alert.c.resolved_ms.is_(None), alert.c.severity != "info", sa.not_(_told_of(alert.c.id, channel))
    )  # fmt: skip
    columns = ("alert_id", "what", "channel", "state", "attempts", "next_ms", "created_ms", "repeated")
    insert = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(notice)
    added = insert.from_select(columns, row).on_conflict_do_nothing()
    return len(conn.scalars(added.returning(notice.c.id)).all())


def due(conn: Connection, channel: str, now_ms: int) -> bool:
    """True when `claim` would find something: a look that blocks no writer."""
    return conn.scalar(sa.select(notice.c.id).where(_claimable(channel, now_ms)).limit(1)) is not None


def claim(conn: Connection, channel: str, by: str, now_ms: int, limit: int = 20) -> list[NoticeRow]:
    """Take over what is due, oldest first. Commit before sending: only then is it yours.

    A resolved notice waits until the opened one of its alert is out of the way.
    """
    chosen = (
        sa.select(notice.c.id)
        .where(_claimable(channel, now_ms))
        .order_by(notice.c.next_ms, notice.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    change = (
        sa.update(notice)
        .where(notice.c.id.in_(chosen))
        .values(
            repeated=sa.case((notice.c.state == "claimed", sa.true()), else_=notice.c.repeated),
            state="claimed",
            claimed_by=by,
            claimed_ms=now_ms,
            attempts=notice.c.attempts + 1,
        )
        .returning(notice.c.id)
    )
    ids = list(conn.scalars(change))
    if not ids:
        return []
    first = alert.alias("first")
    incident = (
        sa.select(sa.func.min(first.c.id))
        .where(first.c.station == alert.c.station, first.c.safety, first.c.resolved_ms.is_(None))
        .where(alert.c.safety, first.c.id < alert.c.id)
        .scalar_subquery()
        .label("incident")
    )
    query = (
        sa.select(notice, alert, incident, station.c.name, station.c.name_en, station.c.address)
        .join(alert, alert.c.id == notice.c.alert_id)
        .outerjoin(station, station.c.id == alert.c.station)
        .where(notice.c.id.in_(ids))
        .order_by(notice.c.created_ms, notice.c.id)
    )
    return [_row(row) for row in conn.execute(query.set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL))]


def sent(conn: Connection, row: NoticeRow, at_ms: int) -> bool:
    """It arrived. False when the claim was lost meanwhile; whoever has it now says so itself."""
    return _end(conn, row, state="sent", sent_ms=at_ms, last_error=None)


def retry(conn: Connection, row: NoticeRow, next_ms: int, error: str, maybe_arrived: bool) -> bool:
    """It did not arrive, or nobody knows; try again at `next_ms`."""
    repeated = row.repeated or maybe_arrived
    return _end(conn, row, state="waiting", next_ms=next_ms, last_error=error[:300], repeated=repeated)


def failed(conn: Connection, row: NoticeRow, error: str) -> bool:
    """It never will."""
    return _end(conn, row, state="failed", last_error=error[:300])


def counts(conn: Connection) -> dict[str, int]:
    """How many notices there are in each state."""
    query = sa.select(notice.c.state, sa.func.count().label("found")).group_by(notice.c.state)
    return {row.state: row.found for row in conn.execute(query)}


def _told_of(alert_id: str | ColumnElement[str], channel: str) -> ColumnElement[bool]:
    told = notice.alias("told")
    return sa.exists().where(told.c.alert_id == alert_id, told.c.channel == channel, told.c.what == "opened")


def oldest_ms(conn: Connection) -> int | None:
    """Since when the oldest that has not arrived waits; None when nothing does."""
    query = sa.select(sa.func.min(notice.c.created_ms)).where(notice.c.state.in_(("waiting", "claimed")))
    found: int | None = conn.scalar(query)
    return found


def _claimable(channel: str, now_ms: int) -> ColumnElement[bool]:
    earlier = notice.alias("earlier")
    first_things_first = sa.exists().where(
        notice.c.what != "opened",
        earlier.c.alert_id == notice.c.alert_id,
        earlier.c.channel == notice.c.channel,
        earlier.c.what == "opened",
        earlier.c.state.in_(("waiting", "claimed")),
    )
    return sa.and_(
        notice.c.channel == channel,
        sa.or_(
            sa.and_(notice.c.state == "waiting", notice.c.next_ms <= now_ms),
            sa.and_(notice.c.state == "claimed", notice.c.claimed_ms <= now_ms - CLAIM_LIFE_MS),
        ),
        sa.not_(first_things_first),
    )


def _end(conn: Connection, row: NoticeRow, **values: Any) -> bool:
    change = sa.update(notice).where(
        notice.c.id == row.id,
        notice.c.state == "claimed",
        notice.c.claimed_by == row.claimed_by,
        notice.c.claimed_ms == row.claimed_ms,
    )
    return bool(conn.execute(change.values(values)).rowcount)


def _row(row: Row[Any]) -> NoticeRow:
    facts = AlertFacts(
        row.alert_id,
        row.alert_station,
        row.alert_adcode,
        row.station_name,
        row.station_name_en,
        row.station_address,
        row.alert_kind,
        row.alert_n,
        row.alert_part,
        row.alert_code,
        row.alert_severity,
        row.alert_safety,
        row.alert_state,
        row.alert_happened_ms,
        row.alert_learned_ms,
        json.loads(row.alert_values_json),
        row.alert_text_zh,
        row.alert_text_en,
        row.alert_resolved_ms,
        row.alert_resolved_reason,
        row.alert_note,
        row.incident or row.alert_id,
    )
    return NoticeRow(
        row.notice_id,
        row.notice_what,
        row.notice_channel,
        row.notice_attempts,
        row.notice_repeated,
        row.notice_created_ms,
        row.notice_claimed_by,
        row.notice_claimed_ms,
        facts,
    )
