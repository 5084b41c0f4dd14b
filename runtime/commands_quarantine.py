"""`waystation quarantine`: messages that could not be understood, and trying them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from storage.quarantine import Quarantined

app = typer.Typer(no_args_is_help=True, help="Messages that could not be understood.")
Id = Annotated[int, typer.Argument(help="The number, as `quarantine list` shows it.")]


@app.command("list")
def list_(
    station: Annotated[str | None, typer.Option(help="Only of this station.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason, such as bad_payload.")] = None,
    text: Annotated[str, typer.Option(help="Looked for in topic, path and detail.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Also what was replayed or dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Show what waits, the newest first.

    Example: ./waystation quarantine list --station 331002-0001
    """
    from storage import quarantine

    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            rows = quarantine.search(
                connection,
                reason=reason,
                station=station,
                state=None if all_ else "waiting",
                text=text,
                limit=limit,
            )
    finally:
        database.close()
    show_table(
        ("id", "last", "times", "reason", "path", "detail", "topic", "state"),
        ((r.id, moment(r.last_ms), r.times, r.reason, r.path, r.detail, r.topic, r.state) for r in rows),
        "Nothing waits: every message was understood.",
    )


@app.command()
def show(message: Id) -> None:
    """Show one message as it came.

    Example: ./waystation quarantine show 12
    """
    from storage import quarantine

    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            row = quarantine.get(connection, message)
    finally:
        database.close()
    for line in _told(row):
        say(line)


@app.command()
def replay(message: Id) -> None:
    """Ask the gateway to try a message again; it does so within a second while it runs.

    Example: ./waystation quarantine replay 12
    """
    from storage import audit, quarantine

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            quarantine.ask_replay(connection, message, here.now_ms())
            audit.note(connection, here.now_ms(), "cli", "quarantine.replay", str(message), "ok")
    finally:
        database.close()
    say(f"Message {message} will be tried again; what came of it: ./waystation quarantine show {message}")


@app.command()
def drop(message: Id) -> None:
    """Say that a message needs no further look.

    Example: ./waystation quarantine drop 12
    """
    from storage import audit, quarantine

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            quarantine.drop(connection, message)
            audit.note(connection, here.now_ms(), "cli", "quarantine.drop", str(message), "ok")
    finally:
        database.close()
    say(f"Message {message} is dropped; it is kept until its retention ends.")


def _told(row: Quarantined) -> list[str]:
    where = f"at {row.path}: " if row.path else ""
    cut = "" if row.whole else f" (the first {len(row.payload)} are kept)"
    return [
        f"topic    {_safe(row.topic)}",
        f"reason   {row.reason}: {where}{_safe(row.detail)}",
        f"came     {row.times} times, first {moment(row.first_ms)}, last {moment(row.last_ms)}",
        f"state    {row.state} {moment(row.replayed_ms) if row.replayed_ms is not None else ''}".rstrip(),
        f"size     {row.size} bytes{cut}",
        f"payload  {_safe(row.payload.decode('utf-8', 'backslashreplace'))}",
    ]


def _safe(text: str) -> str:
    # What a stranger sent must not command the terminal.
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
