"""Readings that InfluxDB refused: as they came, with its words, to be looked at and sent again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.errors import NotFound
from storage.sending_tables import parked
from storage.series_outbox import Kept
from storage.texts import storable

ParkedState = Literal["waiting", "again", "dropped"]
_SAID: Final = 400


class Parked(NamedTuple):
    """One message. `times` says how often it was refused; `status` 0 is our own refusal."""

    id: int
    topic: str
    boot: str
    seq: int
    at_ms: int
    received_ms: int
    payload: bytes
    status: int
    said: str
    parked_ms: int
    times: int
    state: str

    @property
    def kept(self) -> Kept:
        """The message as it stood in the outbox."""
        return Kept(*self[:7])


def park(connection: Connection, refused: Sequence[tuple[Kept, int, str]], now_ms: int) -> None:
    """Put messages aside with the status and the words of whoever refused them."""
    if not refused:
        return
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(parked)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "status": insert.excluded.status,
                "said": insert.excluded.said,
                "times": parked.c.times + 1,
                "state": "waiting",
            },
        ),
        [
            {
                **row._asdict(),
                "status": status,
                "said": storable(said, at_most=_SAID),
                "parked_ms": now_ms,
                "times": 1,
                "state": "waiting",
            }
            for row, status, said in refused
        ],
    )


def search(
    connection: Connection, *, text: str = "", state: ParkedState | None = "waiting", limit: int = 50
) -> list[Parked]:
    """The newest first; `text` is looked for in topic and words."""
    wanted = sa.select(parked).order_by(parked.c.id.desc()).limit(limit)
    if state is not None:
        wanted = wanted.where(parked.c.state == state)
    if text:
        found = (column.contains(text, autoescape=True) for column in (parked.c.topic, parked.c.said))
        wanted = wanted.where(sa.or_(*found))
    return [Parked(*row) for row in connection.execute(wanted)]


def get(connection: Connection, id_: int) -> Parked:
    """One message; NotFound when there is none."""
    row = connection.execute(sa.select(parked).where(parked.c.id == id_)).one_or_none()
    if row is None:
        raise NotFound(f"No message {id_} was put aside.")
    return Parked(*row)


def mark(connection: Connection, state: ParkedState, ids: Iterable[int] | None = None) -> int:
    """Give messages another state, all that wait when no ids are given; returns how many."""
    change = sa.update(parked).values(state=state).where(parked.c.state != state)
    if ids is None:
        change = change.where(parked.c.state == "waiting")
    else:
        change = change.where(parked.c.id.in_(list(ids)))
    return connection.execute(change).rowcount


def next_again(connection: Connection, limit: int) -> list[Kept]:
    """Messages that somebody wants to be sent again, oldest first."""
    wanted = sa.select(parked).where(parked.c.state == "again").order_by(parked.c.id).limit(limit)
    return [Parked(*row).kept for row in connection.execute(wanted)]


def settle(connection: Connection, ids: Iterable[int]) -> None:
    """These have arrived."""
    connection.execute(sa.delete(parked).where(parked.c.id.in_(list(ids))))


def prune(connection: Connection, before_ms: int, limit: int) -> int:
    """Delete what was put aside before this time; returns how many."""
    some = sa.select(parked.c.id).where(parked.c.parked_ms < before_ms).limit(limit)
    return connection.execute(sa.delete(parked).where(parked.c.id.in_(some))).rowcount
