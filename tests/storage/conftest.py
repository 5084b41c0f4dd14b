"""A database with all tables, of both kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.database import Database, open_database
from storage.migrate import upgrade


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that went through all migrations once, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "hub.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def db(database_url: str, migrated_file: Path) -> Iterator[Database]:
    """A new database with all tables in it."""
    if database_url.startswith("sqlite"):
        shutil.copyfile(migrated_file, str(sa.make_url(database_url).database))
    else:
        upgrade(database_url)
    database = open_database(database_url)
    yield database
    database.close()
