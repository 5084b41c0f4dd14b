"""A whole SQLite database from one file into another, while others read and write it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from storage.backup_file import BackupRefused

STEP_PAGES: Final = 256
"""A mebibyte at a time."""
PAUSE_S: Final = 0.002
_BUSY_ATTEMPTS: Final = 40

Progress = Callable[[int, int], None]
"""Called after each step with the pages that remain and all pages."""


def copy_out(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy the state of one moment into a new file; nobody waits for it.

    The read transaction that is held all the while keeps other people's commits from making SQLite's
    online backup begin again; what they write meanwhile waits in the write-ahead log.
    """

    def after_step(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(remaining, total)
        time.sleep(PAUSE_S)

    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    reader, writer = _open(source, "rw"), _open(target, "rw")
    try:
        for setting in ("journal_mode=OFF", "synchronous=OFF"):
            writer.execute(f"PRAGMA {setting}").close()
        reader.execute("BEGIN").close()
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reader.backup(writer, pages=STEP_PAGES, progress=after_step)
        reader.execute("COMMIT").close()
    finally:
        reader.close()
        writer.close()


def refuse_damaged(file: Path) -> None:
    """Raise BackupRefused unless every page of the database hangs together."""
    connection = _open(file, "rw")
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        said = str(error)
    finally:
        connection.close()
    if said != "ok":
        raise BackupRefused(f"The SQLite database is damaged ({said}): nothing was written.")


def copy_in(source: Path, target: Path) -> None:
    """Replace all that is in `target` by what is in `source`, in one transaction.

    Who has the file open at the moment sees the old state until it begins its next transaction; a
    process that is killed meanwhile leaves the old state.
    """
    waits = 0

    def after_step(status: int, _remaining: int, _total: int) -> None:
        nonlocal waits
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            waits += 1
            if waits > _BUSY_ATTEMPTS:
                raise BackupRefused(
                    f"Somebody writes to {target} all the time: stop all of Waystation first."
                )

    if not target.exists():
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    reader, writer = _open(source, "rw"), _open(target, "rw")
    try:
        writer.execute("PRAGMA synchronous=FULL").close()
        reader.backup(writer, pages=-1, progress=after_step)
    except sqlite3.Error as error:
        raise BackupRefused(
            f"{target} does not take the backup ({error}): make room, or move the file and those beside it "
            "with -wal and -shm away."
        ) from error
    finally:
        reader.close()
        writer.close()


def _open(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(file))}?mode={mode}", uri=True, timeout=5.0, isolation_level=None
    )
