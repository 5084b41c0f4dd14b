"""`waystation db`: make the database, bring it up to date, take out what is old."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.installation import Installation
from runtime.output import complain, moment, say

KEPT_BY_STATIONS_H = 24
"""What the contract asks of a station with room: acknowledged messages are kept for a day."""

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.command()
def init() -> None:
    """Make the keys, the database and the first rulebook; harmless when they are there.

    With WAYSTATION_SERIES=influx also what InfluxDB needs: organisation, buckets with their retention,
    the task that fills the hourly one, and a token that is good for these alone; the hub keeps it and works
    with it from then on. A new InfluxDB takes WAYSTATION_INFLUX_TOKEN as its first.

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
    if here.settings.series == "influx":
        from runtime.influx_ready import prepare_influx

        for line in prepare_influx(here):
            say(line)
        say("InfluxDB is ready.")


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
def backup(file: Annotated[Path, typer.Argument(help="A new file; its folder must be there.")]) -> None:
    """Write the whole database, as it is at one moment, to a new file; the hub goes on meanwhile.

    The keys are not in it: keep a copy of the folder `keys`, too.

    Example: ./waystation db backup /backup/waystation-2026-11-24.backup
    """
    from storage import backup as backups

    here = Installation.from_environment()
    label = backups.make(here.settings.store_url, file, here.now_ms())
    say(
        f"{file} holds the database of {moment(label.made_ms)}: revision {label.revision}, store "
        f"{label.store}, {file.stat().st_size / 1e6:.2f} MB. Keep a copy of {here.var_dir / 'keys'} with it."
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `db backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace the database without asking again.")] = False,
) -> None:
    """Replace the whole database by a backup; stop all of Waystation before.

    The database gets a new name, so that stations send again what they still hold.

    Example: ./waystation db restore /backup/waystation-2026-11-24.backup --yes
    """
    from storage import restore as restores

    here = Installation.from_environment()
    if not here.settings.database_url:
        here.prepare_folder()
    url = here.settings.store_url
    label = restores.check(url, file, here.now_ms())
    age_h = max(0, here.now_ms() - label.made_ms) / 3_600_000
    say(f"{file} is whole: the database of {moment(label.made_ms)}, {age_h:.1f} h ago.")
    say(_loss(age_h))
    if not yes:
        complain("Nothing was changed. To replace the database, say it again with --yes.")
        raise typer.Exit(1)
    name = restores.restore(url, file, here.now_ms())
    say(f"Restored. The store is called {name} now; start Waystation, and stations send what they hold.")


def _loss(age_h: float) -> str:
    """What a restore takes away, before anybody agrees to it."""
    said = (
        "Gone for good is what people and rules did since: ledger, rulebooks, tokens made or revoked, "
        "unlocks, notes at alerts. Of what devices said since, "
    )
    if age_h <= KEPT_BY_STATIONS_H:
        return said + (
            f"stations that keep acknowledged messages for {KEPT_BY_STATIONS_H} h send all of it again; "
            "what others said is gone."
        )
    return said + (
        f"stations that keep acknowledged messages send the last {KEPT_BY_STATIONS_H} h again; the "
        f"{age_h - KEPT_BY_STATIONS_H:.1f} h before that are gone."
    )


@app.command()
def renew() -> None:
    """After restoring in another way: a new name for the database, so that stations send what they hold.

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
