"""Which migration a database went through last, and which one this code knows as the newest.

Every process asks this at its start, and reading the migration tool for it would take most of that start.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"
_LINE: Final = re.compile(r'^(revision|down_revision)\b[^=\n]*= *"([^"]+)"', re.MULTILINE)


def revision(connection: Connection) -> str | None:
    """The last migration that this database went through; None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


@cache
def _named() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for file in (MIGRATIONS / "versions").glob("*.py"):
        for name, value in _LINE.findall(file.read_text(encoding="utf-8")):
            found[name].add(value)
    return {name: frozenset(values) for name, values in found.items()}


def known() -> frozenset[str]:
    """Every migration that this code knows."""
    return _named()["revision"]


def newest() -> str:
    """The last migration that this code knows: the one that no other comes after."""
    return next(iter(known() - _named()["down_revision"]), "")
