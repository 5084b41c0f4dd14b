"""Rulebooks as they were and as they are: rows that are added and made active, never changed."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import Conflict, NotFound
from storage.tables import rulebook

PROVINCE = "province"
SEEDED = "seed"


class RulebookRow(NamedTuple):
    """One rulebook; alerts name the `version` that raised them."""

    version: int
    area: str
    text: str
    sha: str
    actor: str
    created_ms: int
    active: bool


def seed(connection: Connection, text: str, now_ms: int) -> RulebookRow:
    """Take in the rulebook that comes with the program; returns the one that is active afterwards.

    A text that was here before changes nothing. A new one becomes active unless a person chose
    another than the program's.
    """
    sha = _sha(text)
    known = connection.scalar(sa.select(rulebook.c.version).where(rulebook.c.sha == sha).limit(1))
    actors = sa.select(rulebook.c.actor).where(rulebook.c.active, rulebook.c.area == PROVINCE)
    chosen = connection.scalar(actors)
    if known is None:
        add(connection, text, SEEDED, now_ms, activate=chosen in (None, SEEDED))
    return active(connection)


def add(
    connection: Connection, text: str, actor: str, now_ms: int, *, activate: bool = True, area: str = PROVINCE
) -> RulebookRow:
    """Keep a rulebook, which must have been loaded without errors before, and make it the active one."""
    version = connection.scalar(
        sa.insert(rulebook)
        .values(area=area, text=text, sha=_sha(text), actor=actor, created_ms=now_ms, active=False)
        .returning(rulebook.c.version)
    )
    assert version is not None
    if activate:
        make_active(connection, version)
    return get(connection, version)


def make_active(connection: Connection, version: int) -> None:
    """Make one the active rulebook of its area."""
    row = get(connection, version)
    connection.execute(
        sa.update(rulebook).where(rulebook.c.area == row.area, rulebook.c.active).values(active=False)
    )
    connection.execute(sa.update(rulebook).where(rulebook.c.version == version).values(active=True))


def active(connection: Connection, area: str = PROVINCE) -> RulebookRow:
    """The rulebook that decides now, or NotFound."""
    found = connection.execute(
        sa.select(rulebook).where(rulebook.c.area == area, rulebook.c.active)
    ).one_or_none()
    if found is None:
        raise NotFound(f"No rulebook is active for {area}.")
    return RulebookRow(*found)


def active_version(connection: Connection, area: str = PROVINCE) -> int:
    """The number of the active rulebook, 0 for none: cheap enough to ask before each batch."""
    found = connection.scalar(sa.select(rulebook.c.version).where(rulebook.c.area == area, rulebook.c.active))
    return found or 0


def all_active(connection: Connection) -> list[RulebookRow]:
    """The rulebooks that decide now: the province's first, then those of areas that have their own."""
    rows = [RulebookRow(*row) for row in connection.execute(sa.select(rulebook).where(rulebook.c.active))]
    return sorted(rows, key=lambda row: (row.area != PROVINCE, len(row.area), row.area))


def active_versions(connection: Connection) -> frozenset[int]:
    """Their numbers: cheap enough to ask every second."""
    return frozenset(connection.scalars(sa.select(rulebook.c.version).where(rulebook.c.active)))


def roll_back(connection: Connection, version: int, actor: str, now_ms: int) -> RulebookRow:
    """Put an earlier text in force again, as a new row; Conflict when it is in force already."""
    row = get(connection, version)
    if row.active:
        raise Conflict(f"Rulebook {version} is in force already.")
    return add(connection, row.text, actor, now_ms, area=row.area)


def drop_area(connection: Connection, area: str) -> int:
    """An area gives up its own rulebook; returns the version that was in force, or NotFound."""
    if area == PROVINCE:
        raise Conflict("The province always has a rulebook; load another one.")
    row = active(connection, area)
    connection.execute(sa.update(rulebook).where(rulebook.c.version == row.version).values(active=False))
    return row.version


def get(connection: Connection, version: int) -> RulebookRow:
    """The rulebook with this number, or NotFound."""
    found = connection.execute(sa.select(rulebook).where(rulebook.c.version == version)).one_or_none()
    if found is None:
        raise NotFound(f"There is no rulebook {version}.")
    return RulebookRow(*found)


def list_all(connection: Connection) -> list[RulebookRow]:
    """All rulebooks, the newest first."""
    return [
        RulebookRow(*row)
        for row in connection.execute(sa.select(rulebook).order_by(rulebook.c.version.desc()))
    ]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
