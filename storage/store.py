"""The name of this database as stations know it: another name tells them to send again what they hold."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound
from storage.tables import meta, shard

_KEY = "store"


def store_id(connection: Connection) -> str:
    """The random name that every acknowledgement carries."""
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == _KEY))
    if found is None:
        raise NotFound("The database is empty: run `./waystation db upgrade` first.")
    return str(found)


def renew(connection: Connection) -> str:
    """Give the database a new name; to be done after a backup was restored. Returns it."""
    name = secrets.token_hex(8)
    connection.execute(sa.delete(meta).where(meta.c.key == _KEY))
    connection.execute(sa.insert(meta).values(key=_KEY, value=name))
    return name


def seed(connection: Connection) -> None:
    """Write what a new database must hold; does nothing to one that holds it."""
    if connection.scalar(sa.select(meta.c.value).where(meta.c.key == _KEY)) is None:
        renew(connection)
    if connection.scalar(sa.select(shard.c.i).where(shard.c.i == 0)) is None:
        connection.execute(sa.insert(shard).values(i=0, n=1, epoch=0))
