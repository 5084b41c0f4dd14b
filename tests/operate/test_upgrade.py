"""An older database becomes today's with everything still in it, also when the upgrade is killed half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from runtime.settings import TREE
from storage import backup, migrate, restore, revisions
from storage.database import Database, open_database
from tests.operate.counting import contents
from tests.runtime.command_line import run

pytestmark = pytest.mark.integration

ROWS = 40
HALF_WAY = """
import os, signal, sys
import sqlalchemy as sa
from storage import migrate

left = int(sys.argv[2])

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(_connection, _cursor, statement, *_rest):
    global left
    if statement.lstrip().upper().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

@sa.event.listens_for(sa.Engine, "commit")
def at_the_very_end(_connection):
    if sys.argv[3] == "commit":
        os.kill(os.getpid(), signal.SIGKILL)

migrate.upgrade(sys.argv[1])
"""

GIVEN_UP = {("device_state", "due_ms"), ("device_state", "version")}
"""Columns that nothing read."""

Filled = dict[str, tuple[list[str], Counter[tuple[Any, ...]]]]
"""Each table's columns and rows."""


def older() -> list[str]:
    """Every revision before today's."""
    return sorted(revisions.known() - {revisions.newest()})


def filled(database: Database, revision: str) -> Filled:
    """Bring an empty database to an older revision by its own migrations, and fill every table."""
    with database.write() as connection:
        migrate.to_revision(connection, revision)
    with database.write() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        for table in found.sorted_tables:
            if table.name != "alembic_version":
                given = [column for column in table.columns if column.server_default is None]
                rows = [{column.name: value(column, n) for column in given} for n in range(ROWS)]
                connection.execute(sa.insert(table), rows)
        return {
            table.name: (
                [column.name for column in table.columns],
                Counter(tuple(row) for row in connection.execute(sa.select(table))),
            )
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


def value(column: sa.Column[Any], n: int) -> object:
    """Something of the column's type, other in each row; text is JSON too, for migrations that read it."""
    if column.nullable and n % 3 == 0:
        return None
    kind = column.type.python_type
    if kind is bool:
        return n % 2 == 0
    if kind in (int, float):
        return n + 1
    return str(n).encode() if kind is bytes else f'{{"{column.name}": {n}, "zh": "门"}}'


def assert_still_there(database: Database, before: Filled) -> int:
    """Every row, in the columns that it had and that are still there; returns how many."""
    with database.read() as connection:
        assert revisions.revision(connection) == revisions.newest()
        for name, (columns, rows) in before.items():
            types = sa.Table(name, sa.MetaData(), autoload_with=connection)
            kept = [at for at, column in enumerate(columns) if (name, column) not in GIVEN_UP]
            wanted = sa.select(*(types.c[columns[at]] for at in kept))
            had = Counter(tuple(row[at] for at in kept) for row in rows.elements())
            assert had <= Counter(tuple(row) for row in connection.execute(wanted)), name
    return sum(sum(rows.values()) for _, rows in before.values())


@pytest.mark.parametrize("revision", older())
def test_a_filled_database_of_any_earlier_version_keeps_every_row(database_url: str, revision: str) -> None:
    database = open_database(database_url)
    before = filled(database, revision)
    migrate.upgrade(database_url)
    kept = assert_still_there(database, before)
    print(f"{database.dialect}: {kept} rows in {len(before)} tables from {revision} to {revisions.newest()}")
    assert kept == ROWS * len(before) > 700
    assert migrate.upgrade(database_url) == [], "nothing is left to do"
    database.close()


@pytest.mark.parametrize("at", ["1", "20", "commit"])
def test_an_upgrade_that_is_killed_leaves_nothing_and_is_repeated(database_url: str, at: str) -> None:
    database = open_database(database_url)
    before = filled(database, older()[0])
    untouched = contents(database)
    database.close()
    arguments = [database_url, "-1", at] if at == "commit" else [database_url, at, ""]
    ended = subprocess.run([sys.executable, "-c", HALF_WAY, *arguments], cwd=TREE, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert contents(database) == untouched, "no table more, no row less, and still the old revision"
    migrate.upgrade(database_url)
    assert assert_still_there(database, before) == ROWS * len(before)
    database.close()


def test_a_backup_of_an_earlier_version_is_restored_and_brought_up_to_date(
    database_url: str, tmp_path: Path
) -> None:
    """What the upgrade of a whole province needs when it went wrong: back, and once more."""
    database = open_database(database_url)
    before = filled(database, older()[0])
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO meta VALUES ('store', 'ours')"))
        connection.execute(sa.text("DELETE FROM worker"))
    for settled in ("worker", "shard", "version", "notice"):
        del before[settled]
    label = backup.make(database_url, tmp_path / "old.backup", 1)
    assert (label.revision, label.store) == (older()[0], "ours")
    migrate.upgrade(database_url)
    restore.restore(database_url, tmp_path / "old.backup", 1)
    assert assert_still_there(database, before) == ROWS * len(before)
    database.close()


def test_an_older_program_leaves_a_newer_database_alone(migrated_url: str, tmp_path: Path) -> None:
    database = open_database(migrated_url)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = contents(database)
    settings = {"WAYSTATION_VAR_DIR": str(tmp_path / "var"), "WAYSTATION_DATABASE_URL": migrated_url}
    for command in (("db", "upgrade"), ("db", "init"), ("db", "prune")):
        said = run(command, settings)
        assert (said.code, "9999" in said.err, "start the newer version" in said.err) == (2, True, True)
    started = subprocess.run(
        [sys.executable, "-m", "runtime", "gateway"],
        cwd=TREE, env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (started.returncode, "start the newer version" in started.stderr) == (2, True)
    assert contents(database) == before
    database.close()
