"""Every test gets a database of its own, of both kinds."""

from __future__ import annotations

import sqlalchemy as sa

from storage import revisions
from storage.database import open_database


def test_a_database_is_empty_and_can_be_written(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    try:
        assert sa.inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE here (n INTEGER)"))
            connection.execute(sa.text("INSERT INTO here VALUES (1)"))
            assert connection.execute(sa.text("SELECT n FROM here")).scalar_one() == 1
    finally:
        engine.dispose()


def test_the_next_database_knows_nothing_of_the_last(database_url: str) -> None:
    test_a_database_is_empty_and_can_be_written(database_url)


def test_a_migrated_database_has_every_table_and_is_up_to_date(migrated_url: str) -> None:
    database = open_database(migrated_url)
    try:
        with database.write() as connection:
            assert revisions.revision(connection) == revisions.newest()
            assert sa.inspect(connection).has_table("meta")
    finally:
        database.close()
