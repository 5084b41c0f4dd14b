"""`waystation rules`: check a rulebook, compare it, put it in force, see which there were, go back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import WaystationError
from runtime.commands_backtest import backtest
from runtime.commands_explain import explain
from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = typer.Typer(no_args_is_help=True, help="The rulebook.")
app.command()(backtest)
app.command()(explain)
File = Annotated[Path, typer.Argument(help="A rulebook in YAML.")]
Area = Annotated[
    str,
    typer.Option(help="An area's own rulebook: digits of a division code (331002), or a station's id."),
]
Version = Annotated[int, typer.Argument(help="As `rules history` lists them.")]
_AREA = re.compile(r"[0-9]{0,6}|[0-9]{6}-[0-9A-Za-z]{1,16}")


class BadArea(WaystationError):
    """An area is the first digits of a division code, such as 331002, or a station's id."""


@app.command()
def check(file: File, area: Area = "") -> None:
    """Read a rulebook and run the cases beside its rules; every mistake is named with its line.

    Example: ./waystation rules check rules/rulebook.yaml
    """
    from runtime.first_rulebook import read_text
    from storage import books

    text = read_text(file)
    if area:
        with _reading() as connection:
            found = books.check(connection, text, area=_area(area), name=str(file))
    else:
        found = books.check(None, text, name=str(file))
    say(f"{file} can be used: {len(found.own.rules)} rules, {found.cases} cases as expected.")


@app.command()
def diff(file: File, area: Area = "") -> None:
    """Show what a rulebook would change, rule by rule, and how many stations and devices that touches.

    Example: ./waystation rules diff county.yaml --area 331002
    """
    from runtime.first_rulebook import read_text
    from storage import books

    text = read_text(file)
    with _reading() as connection:
        new = books.check(connection, text, area=_area(area), name=str(file))
        found = books.compare(connection, new, area=area)
    if not found.changes:
        say(f"Nothing would change (compared with rulebook {found.since}).")
        return
    counts = {what: sum(c.what == what for c in found.changes) for what in ("added", "removed", "changed")}
    say(
        f"Compared with rulebook {found.since}: "
        + ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        + "."
    )
    for change in found.changes:
        say(f"\n{change.what} {change.code}{' (safety)' if change.safety else ''}")
        for name, (was, becomes) in change.fields.items():
            if change.what != "added" and was:
                say(f"  - {name}: {was}")
            if change.what != "removed" and becomes:
                say(f"  + {name}: {becomes}")
    say("\nThis touches:")
    show_table(("county", "kind", "stations", "devices"), found.reach, "Nobody: there are no such devices.")


@app.command()
def load(file: File, area: Area = "") -> None:
    """Check a rulebook and put it in force; the gateway takes it within seconds.

    Example: ./waystation rules load county.yaml --area 331002
    """
    from runtime.first_rulebook import read_text
    from storage import audit, books, rulebooks

    text = read_text(file)
    here = Installation.from_environment()
    database = here.database()
    try:
        with database.read() as connection:
            found = books.check(connection if area else None, text, area=_area(area), name=str(file))
        with database.write() as connection:
            now_ms = here.now_ms()
            row = rulebooks.add(connection, text, "cli", now_ms, area=books.area_name(area))
            detail = {"sha": row.sha, "area": area}
            audit.note(connection, now_ms, "cli", "rules.load", str(row.version), "ok", detail)
    finally:
        database.close()
    where = f" in {area}" if area else ""
    say(f"Rulebook {row.version} with {len(found.own.rules)} rules is in force{where}.")


@app.command()
def rollback(version: Version) -> None:
    """Put an earlier rulebook in force again; it becomes a new version with the old text.

    Example: ./waystation rules rollback 3
    """
    from storage import audit, books, rulebooks

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            old = rulebooks.get(connection, version)
            area = "" if old.area == rulebooks.PROVINCE else old.area
            # The kinds may have changed since it was written.
            books.check(connection, old.text, area=area, name=f"rulebook {version}")
            row = rulebooks.roll_back(connection, version, "cli", here.now_ms())
            detail = {"from": version, "sha": row.sha, "area": area}
            audit.note(connection, here.now_ms(), "cli", "rules.rollback", str(row.version), "ok", detail)
    finally:
        database.close()
    say(f"Rulebook {row.version} is in force, with the text of {version}.")


@app.command()
def drop(area: Annotated[str, typer.Argument(help="The area that gives up its own rulebook.")]) -> None:
    """An area follows the larger area's rulebook again.

    Example: ./waystation rules drop 331002
    """
    from storage import audit, rulebooks

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            version = rulebooks.drop_area(connection, _area(area) or rulebooks.PROVINCE)
            audit.note(connection, here.now_ms(), "cli", "rules.drop", str(version), "ok", {"area": area})
    finally:
        database.close()
    say(f"{area} has no rulebook of its own any more (it was {version}).")


@app.command()
def history() -> None:
    """Show all rulebooks, the newest first, with who put them in force.

    Example: ./waystation rules history
    """
    from storage import rulebooks

    with _reading() as connection:
        rows = rulebooks.list_all(connection)
    show_table(
        ("version", "in force", "since", "by", "sha", "area"),
        (
            (r.version, "yes" if r.active else "no", moment(r.created_ms), r.actor, r.sha[:12], r.area)
            for r in rows
        ),
        "There is no rulebook yet: ./waystation db init",
    )


app.command("list", help="The same as history.\n\nExample: ./waystation rules list")(history)


@contextmanager
def _reading() -> Iterator[Connection]:
    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()


def _area(text: str) -> str:
    if not _AREA.fullmatch(text):
        raise BadArea(f"--area {text[:40]!r}: {(BadArea.__doc__ or '').strip()}")
    return text
