"""Who sends readings to InfluxDB, how far it has come, and what is known of its troubles."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from storage import series_outbox
from storage.outbox_tables import outbox
from storage.sending_tables import parked, sender
from storage.series_outbox import SENT

State = Literal["idle", "sending", "away", "locked"]

NAME: Final = "influx"
CLAIM_LIFE_MS: Final = 60_000
_ROW_BYTES: Final = 72
"""What a row takes beside its texts, with its place in the tree."""
_SAMPLE: Final = 200


class Sending(NamedTuple):
    """How it goes. Counts begin with the database; `since_ms` is when `state` began.

    `waiting` rows of about `waiting_bytes` are still to be sent, the oldest since `oldest_ms`.
    """

    state: str
    said: str
    since_ms: int
    messages: int
    points: int
    too_old: int
    rolled_up: int
    parked: int
    waiting: int
    waiting_bytes: int
    oldest_ms: int | None


def claim(connection: Connection, holder: str, now_ms: int) -> bool:
    """Become or stay the one who sends; False while somebody else is."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(sender)
    connection.execute(
        insert.values(
            name=NAME, until_ms=0, state="idle", said="", since_ms=now_ms, messages=0, points=0, too_old=0,
            rolled_up=0,
        ).on_conflict_do_nothing()
    )  # fmt: skip
    free = (sender.c.holder.is_(None)) | (sender.c.holder == holder) | (sender.c.until_ms <= now_ms)
    # A clock that was set back must not keep everybody out for longer than a claim lives.
    free |= sender.c.until_ms > now_ms + CLAIM_LIFE_MS
    taken = connection.execute(
        sa.update(sender)
        .where(sender.c.name == NAME, free)
        .values(holder=holder, until_ms=now_ms + CLAIM_LIFE_MS)
    )
    return taken.rowcount == 1


def release(connection: Connection, holder: str) -> None:
    """Let somebody else send at once."""
    connection.execute(
        sa.update(sender).where(sender.c.name == NAME, sender.c.holder == holder).values(holder=None)
    )


def advance(connection: Connection, holder: str, old: int, new: int, **counts: int) -> bool:
    """Note that everything up to `new` is done, and add to the counts.

    False, with nothing changed, when somebody else sends by now or has moved on.
    """
    if series_outbox.reached(connection, SENT) != old:
        return False
    values: dict[str, Any] = {name: sender.c[name] + more for name, more in counts.items()}
    mine = sa.update(sender).where(sender.c.name == NAME, sender.c.holder == holder)
    # Also a lock: nobody else takes over before this transaction ends.
    if connection.execute(mine.values(values or {"name": NAME})).rowcount != 1:
        return False
    if new != old:
        series_outbox.reach(connection, SENT, new)
    return True


def note(connection: Connection, holder: str, state: State, said: str, now_ms: int) -> None:
    """Write down how it goes, for whoever watches."""
    connection.execute(
        sa.update(sender)
        .where(sender.c.name == NAME, sender.c.holder == holder)
        .values(
            state=state,
            said=said,
            since_ms=sa.case((sender.c.state == state, sender.c.since_ms), else_=now_ms),
        )
    )


def measure(connection: Connection) -> tuple[int, int]:
    """How many rows wait, at most, and about how many bytes they take."""
    first = series_outbox.reached(connection, SENT)
    rows = max(0, series_outbox.newest(connection) - first)
    if not rows:
        return 0, 0
    some = (
        sa.select((sa.func.length(outbox.c.payload) + sa.func.length(outbox.c.topic)).label("size"))
        .order_by(outbox.c.id.desc())
        .limit(_SAMPLE)
        .subquery()
    )
    size = float(connection.scalar(sa.select(sa.func.avg(some.c.size))) or 0)
    return rows, round(rows * (size + _ROW_BYTES))


def sending(connection: Connection) -> Sending | None:
    """How it goes; None where nothing was ever sent."""
    row = connection.execute(sa.select(sender).where(sender.c.name == NAME)).one_or_none()
    waiting, waiting_bytes = measure(connection)
    if row is None and not waiting:
        return None
    oldest = connection.scalar(
        sa.select(outbox.c.received_ms)
        .where(outbox.c.id > series_outbox.reached(connection, SENT))
        .order_by(outbox.c.id)
        .limit(1)
    )
    refused = connection.scalar(sa.select(sa.func.count()).where(parked.c.state != "dropped")) or 0
    if row is None:
        return Sending("idle", "", 0, 0, 0, 0, 0, refused, waiting, waiting_bytes, oldest)
    return Sending(
        row.state, row.said, row.since_ms, row.messages, row.points, row.too_old, row.rolled_up,
        refused, waiting, waiting_bytes, oldest,
    )  # fmt: skip
