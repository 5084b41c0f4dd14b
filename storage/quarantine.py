"""Messages that could not be understood: kept with the reason, searchable, and tried again when asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.errors import Conflict, NotFound
from domain.json_input import MAX_BYTES
from storage.tables import quarantine, replay
from storage.texts import storable

MAX_TOPIC = 4096
QuarantineState = Literal["waiting", "replayed", "dropped"]


class BadRow(NamedTuple):
    """A message as it came, and why it was refused; `station`, `boot` and `seq` as far as they are known."""

    topic: str
    payload: bytes
    reason: str
    path: str
    detail: str
    at_ms: int
    station: str | None = None
    boot: str | None = None
    seq: int | None = None


class Quarantined(NamedTuple):
    """A kept message. `payload` holds its first 16 KiB, `size` says how long it was."""

    id: int
    topic: str
    payload: bytes
    size: int
    reason: str
    path: str
    detail: str
    station: str | None
    boot: str | None
    seq: int | None
    first_ms: int
    last_ms: int
    times: int
    state: QuarantineState
    replayed_ms: int | None

    @property
    def whole(self) -> bool:
        """False for a message that was cut, which cannot be tried again."""
        return len(self.payload) == self.size


class Replay(NamedTuple):
    """Somebody asked to try a message again."""

    id: int
    message: Quarantined


_COLUMNS: Final = [quarantine.c["count" if name == "times" else name] for name in Quarantined._fields]


def _put(insert: Any) -> Any:
    again = insert.excluded.last_ms
    return insert.on_conflict_do_update(
        index_elements=[quarantine.c.sha],
        set_={
            "count": quarantine.c.count + 1,
            "last_ms": sa.case((again > quarantine.c.last_ms, again), else_=quarantine.c.last_ms),
            "reason": insert.excluded.reason,
            "path": insert.excluded.path,
            "detail": insert.excluded.detail,
            "state": "waiting",
        },
    )


_PUT: Final = {"sqlite": _put(sqlite.insert(quarantine)), "postgresql": _put(postgresql.insert(quarantine))}


def put_many(connection: Connection, rows: Sequence[BadRow]) -> None:
    """Keep messages; the same topic and bytes again only raise the count and note the newest reason."""
    if not rows:
        return
    connection.execute(
        _PUT[connection.dialect.name],
        [
            {
                "sha": _sha(row.topic, row.payload),
                "topic": storable(row.topic, at_most=MAX_TOPIC),
                "payload": row.payload[:MAX_BYTES],
                "size": len(row.payload),
                "reason": storable(row.reason, at_most=64),
                "path": storable(row.path, at_most=256),
                "detail": storable(row.detail, at_most=512),
                "station": None if row.station is None else storable(row.station, at_most=64),
                "boot": None if row.boot is None else storable(row.boot, at_most=64),
                "seq": row.seq if row.seq is not None and 0 <= row.seq < 2**63 else None,
                "first_ms": row.at_ms,
                "last_ms": row.at_ms,
                "count": 1,
                "state": "waiting",
            }
            for row in rows
        ],
    )


def _sha(topic: str, payload: bytes) -> str:
    return hashlib.sha256(topic.encode("utf-8", "surrogatepass") + b"\x00" + payload).hexdigest()


def search(
    connection: Connection,
    *,
    reason: str | None = None,
    station: str | None = None,
    state: QuarantineState | None = None,
    text: str = "",
    before_id: int | None = None,
    limit: int = 50,
) -> list[Quarantined]:
    """Kept messages, the newest first; `text` is looked for in topic, path and detail.

    The id of the last one is the next `before_id`.
    """
    wanted = sa.select(*_COLUMNS)
    for column, value in (
        (quarantine.c.reason, reason),
        (quarantine.c.station, station),
        (quarantine.c.state, state),
    ):
        if value is not None:
            wanted = wanted.where(column == storable(value))
    if text:
        columns = (quarantine.c.topic, quarantine.c.path, quarantine.c.detail)
        wanted = wanted.where(
            sa.or_(*(column.icontains(storable(text), autoescape=True) for column in columns))
        )
    if before_id is not None:
        wanted = wanted.where(quarantine.c.id < before_id)
    found = connection.execute(wanted.order_by(quarantine.c.id.desc()).limit(limit))
    return [Quarantined(*row) for row in found]


def get(connection: Connection, id: int) -> Quarantined:  # noqa: A002
    """The kept message, or NotFound."""
    found = connection.execute(sa.select(*_COLUMNS).where(quarantine.c.id == id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no message {id} in the quarantine.")
    return Quarantined(*found)


def ask_replay(connection: Connection, id: int, now_ms: int) -> int:  # noqa: A002
    """Ask the gateway to try a message again; returns the id of the request, the same while it waits.

    Raises NotFound, and Conflict for a message that was too long to keep whole.
    """
    if not get(connection, id).whole:
        raise Conflict(f"Message {id} was longer than 16 KiB and was cut, so it cannot be replayed.")
    waiting: int | None = connection.scalar(
        sa.select(replay.c.id).where(replay.c.quarantine_id == id, replay.c.done_ms.is_(None)).limit(1)
    )
    if waiting is None:
        waiting = connection.scalar(
            sa.insert(replay).values(quarantine_id=id, requested_ms=now_ms).returning(replay.c.id)
        )
    assert waiting is not None
    return waiting


def next_replays(connection: Connection, limit: int = 100) -> list[Replay]:
    """Requests that wait, the oldest first."""
    wanted = (
        sa.select(replay.c.id, *_COLUMNS)
        .join(quarantine, quarantine.c.id == replay.c.quarantine_id)
        .where(replay.c.done_ms.is_(None))
        .order_by(replay.c.id)
        .limit(limit)
    )
    return [Replay(id_, Quarantined(*message)) for id_, *message in connection.execute(wanted)]


def finish_replay(connection: Connection, id: int, result: str, now_ms: int, *, understood: bool) -> None:  # noqa: A002
    """Note what came of a request; a message that was understood leaves the waiting ones."""
    message = connection.scalar(
        sa.update(replay)
        .where(replay.c.id == id, replay.c.done_ms.is_(None))
        .values(done_ms=now_ms, result=storable(result, at_most=512))
        .returning(replay.c.quarantine_id)
    )
    if message is not None and understood:
        connection.execute(
            sa.update(quarantine)
            .where(quarantine.c.id == message)
            .values(state="replayed", replayed_ms=now_ms)
        )


def replay_result(connection: Connection, id: int) -> str | None:  # noqa: A002
    """What came of a request; None while it waits, NotFound when there is none."""
    found = connection.execute(sa.select(replay.c.result).where(replay.c.id == id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no replay {id}.")
    return None if found.result is None else str(found.result)


def drop(connection: Connection, id: int) -> None:  # noqa: A002
    """Say that a message needs no further look; it stays until its retention ends."""
    get(connection, id)
    connection.execute(sa.update(quarantine).where(quarantine.c.id == id).values(state="dropped"))
