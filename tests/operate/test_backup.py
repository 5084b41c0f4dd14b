"""A backup is one moment's picture, whole or refused, and a restore brings all of it back."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from runtime.clock import WallClock
from runtime.settings import TREE
from storage import audit, backup, backup_file, restore, revisions, shards, store
from storage.backup_file import BackupRefused
from storage.database import Database, open_database
from storage.migrate import NewerDatabase
from storage.series import SqlSeries
from storage.series_row import SeriesRow
from tests.operate.counting import contents
from tests.runtime.command_line import run
from tests.storage.rows import BOX, NOON_MS, SENSOR

pytestmark = pytest.mark.integration

NOW_MS = NOON_MS + 86_400_000
LONGEST_WAIT_MS = 50.0


def write_readings(database: Database, seqs: range) -> None:
    with database.write() as connection:
        rows = [
            SeriesRow(
                SENSOR,
                BOX,
                "boot1",
                n,
                NOON_MS + n,
                None,
                NOON_MS + n,
                {"count_raw": n},
                {},
                {"x": "门\t\\N\n" * 20},
            )
            for n in seqs
        ]
        SqlSeries().append(connection, SENSOR.kind, rows)


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM series_occupancy_sensor")) or 0)


@pytest.fixture
def kept(migrated_url: str, tmp_path: Path) -> tuple[Database, str, Path]:
    """A database with 5,000 readings, its address and a name for a backup."""
    database = open_database(migrated_url)
    write_readings(database, range(5_000))
    return database, migrated_url, tmp_path / "one.backup"


Kept = tuple[Database, str, Path]


def test_what_was_kept_comes_back_to_the_last_row(kept: Kept) -> None:
    database, url, file = kept
    with database.write() as connection:
        audit.note(connection, NOW_MS, "cli", "test", "store", "ok", {"quote": 'a\\b\t"c"\n门'})
    before = contents(database)
    label = backup.make(url, file, NOW_MS)
    assert (label.revision, label.made_ms) == (revisions.newest(), NOW_MS)
    assert backup_file.check(file) == label == backup_file.read_label(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    write_readings(database, range(5_000, 6_000))
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM audit"))
    name = restore.restore(url, file, NOW_MS)
    after = contents(database)
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {"audit", "meta", "shard"}, "the rest is as it was, to the last row"
    assert before["audit"] <= after["audit"]
    assert sum(after["series_occupancy_sensor"].values()) == 5_000
    with database.read() as connection:
        assert store.store_id(connection) == name != label.store
        assert audit.newest(connection)[0].detail["was"] == label.store
    write_readings(database, range(5_000, 5_010))
    with database.write() as connection:
        audit.note(connection, NOW_MS, "cli", "test", "store", "ok")
    database.close()


def test_nobody_waits_for_a_backup_and_it_is_of_one_moment(kept: Kept) -> None:
    """Two rows are always written together; the writer's longest commit is measured beside one without."""
    database, url, file = kept
    write_readings(database, range(5_000, 30_000))
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE pair (a BIGINT, b BIGINT)"))
    ended, numbers = threading.Event(), itertools.count()
    waits: list[float] = []

    def write_pairs() -> None:
        while not ended.is_set():
            n, began_s = next(numbers), time.perf_counter()
            with database.write() as connection:
                connection.execute(sa.text("INSERT INTO pair VALUES (:n, 0)"), {"n": n})
                connection.execute(sa.text("UPDATE pair SET b = a + 1 WHERE a = :n"), {"n": n})
            waits.append(1000 * (time.perf_counter() - began_s))
            time.sleep(0.001)

    writer = threading.Thread(target=write_pairs)
    writer.start()
    code = (
        "import sys; from pathlib import Path; from storage import backup; "
        "backup.make(sys.argv[1], Path(sys.argv[2]), 1)"
    )
    while len(waits) < 50:
        time.sleep(0.001)
    first = len(waits)
    subprocess.run([sys.executable, "-c", code, url, str(file)], cwd=TREE, check=True)
    ended.set()
    writer.join()
    during = sorted(waits[first:])
    print(
        f"{database.dialect}: {len(during)} commits while {file.stat().st_size} bytes were kept; the longest "
        f"{during[-1]:.1f} ms, median {during[len(during) // 2]:.1f} ms; before {max(waits[:first]):.1f} ms"
    )
    assert during[int(len(during) * 0.95)] < LONGEST_WAIT_MS
    restore.restore(url, file, NOW_MS)
    with database.read() as connection:
        pairs = list(connection.execute(sa.text("SELECT a, b FROM pair ORDER BY a")))
    assert 50 <= len(pairs) < len(waits), "the picture was taken while rows were written"
    assert pairs == [(n, n + 1) for n in range(len(pairs))]
    database.close()


def test_a_byte_that_changed_is_noticed_before_anything_is_touched(kept: Kept) -> None:
    database, url, file = kept
    backup.make(url, file, NOW_MS)
    before = contents(database)
    whole = file.read_bytes()
    for damaged in (
        whole[:-100],
        whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        whole.replace(b'"revision": "', b'"revision": "9'),
        whole + b"x",
        b"",
        b"SQLite format 3\0" + whole,
    ):
        file.write_bytes(damaged)
        with pytest.raises(BackupRefused):
            restore.restore(url, file, NOW_MS)
    assert contents(database) == before
    database.close()


def test_a_backup_of_a_newer_version_is_refused(kept: Kept) -> None:
    database, url, file = kept
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    backup.make(url, file, NOW_MS)
    with database.write() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :it"), {"it": revisions.newest()}
        )
    with pytest.raises(NewerDatabase, match="9999"):
        restore.restore(url, file, NOW_MS)
    assert count(database) == 5_000
    database.close()


def test_a_gateway_that_runs_is_not_robbed_of_its_database(kept: Kept) -> None:
    database, url, file = kept
    backup.make(url, file, NOW_MS)
    with database.write() as connection:
        epoch = shards.take(connection, 0, "me", NOW_MS)
        shards.beat(connection, 0, epoch, os.getpid(), NOW_MS - 3_000, None, None)
    with pytest.raises(BackupRefused, match="stop all of Waystation"):
        restore.restore(url, file, NOW_MS)
    restore.restore(url, file, NOW_MS + restore.RUNNING_MS)
    with database.write() as connection:
        assert shards.take(connection, 0, "the next", NOW_MS) > epoch, "no epoch comes twice"
    database.close()


def test_a_backup_is_never_overwritten_and_leaves_nothing_half_done(kept: Kept, tmp_path: Path) -> None:
    database, url, file = kept
    file.write_bytes(b"mine")
    with pytest.raises(BackupRefused, match="never overwritten"):
        backup.make(url, file, NOW_MS)
    assert file.read_bytes() == b"mine"
    with pytest.raises(BackupRefused, match="cannot be written"):
        backup.make(url, tmp_path / "no folder" / "x", NOW_MS)
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []
    database.close()


def test_the_other_kind_of_database_is_refused(kept: Kept, tmp_path: Path) -> None:
    database, url, file = kept
    backup.make(url, file, NOW_MS)
    other = "postgresql://127.0.0.1:1/x" if database.dialect == "sqlite" else f"sqlite:///{tmp_path / 'x'}"
    with pytest.raises(BackupRefused, match="cannot be restored into"):
        restore.restore(other, file, NOW_MS)
    database.close()


@pytest.mark.parametrize("after_s", [0.05, 0.3])
def test_a_restore_that_is_killed_leaves_the_database_as_it_was_or_as_it_shall_be(
    kept: Kept, after_s: float
) -> None:
    database, url, file = kept
    backup.make(url, file, NOW_MS)
    write_readings(database, range(5_000, 5_700))
    before = contents(database)
    code = (
        "import sys; from pathlib import Path; from storage import restore; print('go', flush=True); "
        f"restore.restore(sys.argv[1], Path(sys.argv[2]), {NOW_MS})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, url, str(file)], cwd=TREE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        process.wait()
    database.close()
    found = count(database)
    assert found in (5_000, 5_700)
    if found == 5_700:
        assert contents(database) == before
    restore.restore(url, file, NOW_MS)
    assert count(database) == 5_000
    database.close()


def test_the_commands_say_what_is_kept_and_what_is_lost(tmp_path: Path, migrated_sqlite_url: str) -> None:
    settings = {"WAYSTATION_VAR_DIR": str(tmp_path / "var"), "WAYSTATION_DATABASE_URL": migrated_sqlite_url}
    file = tmp_path / "night.backup"
    said = run(("db", "backup", str(file)), settings)
    assert said.code == 0, said.err
    assert f"revision {revisions.newest()}" in said.out
    said = run(("db", "backup", str(file)), settings)
    assert (said.code, "never overwritten" in said.err) == (1, True)
    said = run(("db", "restore", str(file)), settings)
    assert said.code == 1
    assert "send all of it again; what others said is gone" in said.out
    assert "Nothing was changed" in said.err
    said = run(("db", "restore", str(file), "--yes"), settings)
    assert (said.code, "Restored. The store is called" in said.out) == (0, True)


def test_an_old_backup_says_how_much_is_lost(tmp_path: Path, migrated_sqlite_url: str) -> None:
    settings = {"WAYSTATION_VAR_DIR": str(tmp_path / "var"), "WAYSTATION_DATABASE_URL": migrated_sqlite_url}
    file = tmp_path / "old.backup"
    backup.make(migrated_sqlite_url, file, WallClock().now_ms() - 30 * 3_600_000)
    said = run(("db", "restore", str(file)), settings)
    assert "send the last 24 h again; the 6.0 h before that are gone" in said.out


def test_a_restore_onto_a_machine_without_a_database_makes_one(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    file = tmp_path / "one.backup"
    label = backup.make(migrated_sqlite_url, file, NOW_MS)
    fresh = tmp_path / "fresh.sqlite3"
    restore.restore(f"sqlite:///{fresh}", file, NOW_MS)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    database = open_database(f"sqlite:///{fresh}")
    with database.read() as connection:
        assert store.store_id(connection) != label.store
    database.close()
