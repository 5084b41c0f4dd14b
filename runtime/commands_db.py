"""`waystation db`: make the database, bring it up to date, take out what is old."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.installation import Installation
from runtime.output import say

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.command()
def init() -> None:
    """Make the keys, the database and the first rulebook; harmless when they are there.

    Example: ./waystation db init
    """
    from runtime.first_rulebook import seed

    here = Installation.from_environment()
    here.secrets()
    here.upgrade()
    database = here.database()
    try:
        row = seed(here, database)
    finally:
        database.close()
    say(f"The database is ready and rulebook {row.version} is in force.")


@app.command()
def upgrade() -> None:
    """Bring the database to the shape that this version needs.

    Example: ./waystation db upgrade
    """
    from storage import revisions

    made = Installation.from_environment().upgrade()
    say(f"The database is at revision {revisions.newest()}.")
    for line in made:
        say(line)


@app.command()
def renew() -> None:
    """After restoring a backup: give the database a new name, so that stations send again what they hold.

    Example: ./waystation db renew
    """
    from storage import audit, store

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            store.renew(connection)
            audit.note(connection, here.now_ms(), "cli", "db.renew", "store", "ok")
    finally:
        database.close()
    say("The database has a new name; start the gateway again, and stations send what they still hold.")


@app.command()
def prune(
    days: Annotated[
        int | None, typer.Option(min=1, help="Keep so many days; otherwise WAYSTATION_RETENTION_DAYS.")
    ] = None,
) -> None:
    """Take out measured values and settled messages that are older than the retention.

    The courier does this every hour; this is for a disk that is full now.

    Example: ./waystation db prune --days 7
    """
    from runtime.housekeeping import sweep

    here = Installation.from_environment()
    keep_days = days or here.settings.retention_days
    database = here.database()
    try:
        for _ in sweep(database, here.series(), here.settings, here.now_ms(), keep_days):
            pass
    finally:
        database.close()
    say(f"Values and settled messages older than {keep_days} days are gone.")
