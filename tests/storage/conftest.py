"""A database with all tables, of both kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database import Database, open_database


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    """A new database with all tables in it."""
    database = open_database(migrated_url)
    yield database
    database.close()
