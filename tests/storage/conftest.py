"""A database with all tables, of both kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database import Database, open_database
from storage.migrate import upgrade


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A new database with all tables in it."""
    upgrade(database_url)
    database = open_database(database_url)
    yield database
    database.close()
