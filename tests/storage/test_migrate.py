"""A database becomes what the code expects, as often as asked, and a newer one is left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Literal

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from devices.kind import Kind
from devices.message import Telemetry, metric
from devices.registry import kinds
from domain.errors import BadSettings
from runtime.settings import TREE
from storage import migrate, revisions
from storage.database import Database, open_database
from storage.series_tables import extend, make_tables, series_tables
from storage.store import renew, store_id
from storage.tables import metadata

# Made from what the kinds declare, by no migration.
READINGS = {
    table.name
    for tables in series_tables().values()
    for table in (tables.own, tables.part)
    if table is not None
}


class Before(Telemetry):
    """A kind as it was."""

    level: float | None = metric("level")


class After(Before):
    """The kind as it became."""

    state: Literal["on", "off"] | None = metric("state")
    count: int | None = metric("count")
    order: bool | None = metric("a word that SQL has taken")


class Changed(Telemetry):
    """The kind with another type under the same name."""

    level: bool | None = metric("level")


def _kind(telemetry: type[Telemetry]) -> Kind:
    return Kind(name="kettle", title_zh="壶", title_en="Kettle", telemetry=telemetry)


def _shape(connection: sa.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute(sa.text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    ours = {(row.type, row.name, " ".join(row.sql.split())) for row in rows}
    return {row for row in ours if row[1] not in READINGS and not row[1].startswith(("sqlite_", "alembic_"))}


def test_a_migrated_database_has_the_tables_that_the_code_describes(db: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, type_, _: type_ != "table" or name not in READINGS},
        )
        assert compare_metadata(context, metadata) == []


def test_on_sqlite_the_tables_are_the_same_to_the_letter(
    sqlite_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    migrate.upgrade(sqlite_url)
    migrated = open_database(sqlite_url)
    made = open_database(f"sqlite:///{tmp_path_factory.mktemp('made') / 'made.sqlite3'}")
    with made.write() as connection:
        metadata.create_all(connection)
    with migrated.read() as one, made.read() as other:
        assert _shape(one) == _shape(other)
    migrated.close()
    made.close()


def test_upgrading_again_changes_nothing(db: Database, migrated_url: str) -> None:
    with db.read() as connection:
        store = store_id(connection)
        assert revisions.revision(connection) == revisions.newest()
    assert migrate.upgrade(migrated_url) == []
    with db.read() as connection:
        assert store_id(connection) == store


def test_a_restored_database_gets_another_name(db: Database) -> None:
    with db.write() as connection:
        before = store_id(connection)
        assert renew(connection) != before


def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(migrate.upgrade(database_url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(len(names) > 0 for names in made) == [False, True]


def test_a_newer_database_is_refused_with_a_sentence(db: Database, migrated_url: str) -> None:
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.NewerDatabase, match=r"revision 9999.*knows only up to"):
        migrate.upgrade(migrated_url)


def test_every_kind_has_its_series(db: Database) -> None:
    with db.read() as connection:
        there = set(sa.inspect(connection).get_table_names())
    for kind in kinds().values():
        assert f"series_{kind.name}" in there
        if kind.parts:
            assert f"series_{kind.name}_{kind.parts.name}" in there


def test_a_kind_that_declares_more_gets_more_columns(db: Database) -> None:
    with db.write() as connection:
        assert extend(connection, make_tables([_kind(Before)], sa.MetaData())) == ["series_kettle"]
    with db.write() as connection:
        assert extend(connection, make_tables([_kind(After)], sa.MetaData())) == [
            "series_kettle.state",
            "series_kettle.count",
            "series_kettle.order",
        ]
    with db.write() as connection:
        assert extend(connection, make_tables([_kind(After)], sa.MetaData())) == []
        assert extend(connection, make_tables([_kind(Before)], sa.MetaData())) == []


def test_a_metric_that_changes_its_type_is_refused(db: Database) -> None:
    with db.write() as connection:
        extend(connection, make_tables([_kind(Before)], sa.MetaData()))
    with pytest.raises(BadSettings, match=r"series_kettle\.level"), db.write() as connection:
        extend(connection, make_tables([_kind(Changed)], sa.MetaData()))


def test_names_that_are_taken_are_refused_when_the_kind_is_declared() -> None:
    class Taken(Telemetry):
        received_ms: int | None = metric("collides")

    with pytest.raises(TypeError, match="received_ms"):
        make_tables([_kind(Taken)], sa.MetaData())
    with pytest.raises(TypeError, match="series_kettle"):
        make_tables([_kind(Before), _kind(After)], sa.MetaData())


def test_the_newest_migration_is_the_one_that_alembic_would_run_last() -> None:
    assert ScriptDirectory(str(revisions.MIGRATIONS)).get_current_head() == revisions.newest() != ""


def test_an_empty_database_is_at_no_revision(database_url: str) -> None:
    database = open_database(database_url)
    try:
        with database.read() as connection:
            assert revisions.revision(connection) is None
    finally:
        database.close()


@pytest.mark.integration
def test_asking_for_the_revision_does_not_read_the_migration_tool() -> None:
    code = "import sys, storage.revisions, api.app; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TREE, check=False).returncode == 0
