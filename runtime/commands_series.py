"""`waystation series`: how readings get to InfluxDB, and those that it refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from storage.database import Database

app = typer.Typer(no_args_is_help=True, help="Readings on their way to InfluxDB.")
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `series parked` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that wait.")]


@app.command()
def status() -> None:
    """Show what waits, since when, and how it goes.

    Example: ./waystation series status
    """
    from storage import sending

    with _opened() as (here, database):
        with database.read() as connection:
            found = sending.sending(connection)
        if found is None:
            say("Nothing was ever sent: readings are kept in the database itself.")
            return
        of_mb = here.settings.outbox_max_mb
        oldest_ms = found.oldest_ms
        waits = "" if oldest_ms is None else f", the oldest for {max(0, here.now_ms() - oldest_ms) // 1000} s"
        lines = [
            f"state      {found.state} since {moment(found.since_ms or None)}"
            + (f": {found.said}" if found.said else ""),
            f"waiting    {found.waiting} messages, {found.waiting_bytes / 1e6:.1f} of {of_mb} MB{waits}",
            f"sent       {found.messages} messages, {found.points} points",
            f"refused    {found.parked} messages (./waystation series parked)",
            f"too old    {found.too_old} messages are kept as hours only",
            f"no room    {found.rolled_up} messages are kept as hours only",
        ]
        for line in lines:
            say(line)


@app.command("parked")
def list_(
    text: Annotated[str, typer.Option(help="Looked for in topic and InfluxDB's words.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Also what was dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Show messages that InfluxDB refused, the newest first.

    Example: ./waystation series parked --text conflict
    """
    from storage import parked

    with _opened() as (_, database), database.read() as connection:
        rows = parked.search(connection, text=text, state=None if all_ else "waiting", limit=limit)
    show_table(
        ("id", "counts at", "times", "status", "said", "topic", "state"),
        ((r.id, moment(r.at_ms), r.times, r.status or "ours", r.said, r.topic, r.state) for r in rows),
        "Nothing was refused.",
    )


@app.command()
def show(message: Annotated[int, typer.Argument(help="The number, as `series parked` shows it.")]) -> None:
    """Show one refused message as it came.

    Example: ./waystation series show 12
    """
    from storage import parked

    with _opened() as (_, database), database.read() as connection:
        row = parked.get(connection, message)
    lines = [
        f"topic    {row.topic}",
        f"said     {row.status or 'ours'}: {row.said}",
        f"came     {moment(row.received_ms)}, counts at {moment(row.at_ms)}, refused {row.times} times",
        f"payload  {row.payload.decode('utf-8', 'backslashreplace')}",
    ]
    for line in lines:
        # A device chose some of this: nothing in it may command the terminal.
        say("".join(sign if sign.isprintable() else " " for sign in line))


@app.command()
def again(messages: Ids = None, all_: All = False) -> None:
    """Ask the courier to send refused messages once more; it does so within seconds.

    Example: ./waystation series again --all
    """
    _mark("again", messages, all_)


@app.command()
def drop(messages: Ids = None, all_: All = False) -> None:
    """Say that refused messages need no further look; they go when their retention ends.

    Example: ./waystation series drop 12 13
    """
    _mark("dropped", messages, all_)


def _mark(state: str, messages: list[int] | None, all_: bool) -> None:
    from storage import audit, parked

    if bool(messages) == all_:
        raise typer.BadParameter("name some numbers, or --all")
    with _opened() as (here, database), database.write() as connection:
        wanted: parked.ParkedState = "again" if state == "again" else "dropped"
        count = parked.mark(connection, wanted, None if all_ else messages)
        target = "all" if all_ else " ".join(str(one) for one in messages or ())[:200]
        audit.note(connection, here.now_ms(), "cli", f"series.{state}", target, "ok")
    told = "to be sent once more" if state == "again" else "dropped"
    say(f"Marked as {told}: {count}.")


@contextmanager
def _opened() -> Iterator[tuple[Installation, Database]]:
    here = Installation.from_environment()
    database = here.database()
    try:
        yield here, database
    finally:
        database.close()
