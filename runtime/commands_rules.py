"""`waystation rules`: check a rulebook, put it in force, see which there were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import BadRulebook
from runtime.commands_backtest import backtest
from runtime.installation import Installation
from runtime.output import moment, say, show_table

app = typer.Typer(no_args_is_help=True, help="The rulebook.")
app.command()(backtest)
File = Annotated[Path, typer.Argument(help="A rulebook in YAML.")]


@app.command()
def check(file: File) -> None:
    """Read a rulebook and run the cases beside its rules; every mistake is named with its line.

    Example: ./waystation rules check rules/rulebook.yaml
    """
    rules, cases = _checked(file)[1:]
    say(f"{file} can be used: {rules} rules, {cases} cases as expected.")


@app.command()
def load(file: File) -> None:
    """Check a rulebook and put it in force; the gateway takes it within seconds.

    Example: ./waystation rules load county.yaml
    """
    from storage import audit, rulebooks

    text, rules, _ = _checked(file)
    here = Installation.from_environment()
    database = here.database()
    try:
        with database.write() as connection:
            row = rulebooks.add(connection, text, "cli", here.now_ms())
            audit.note(
                connection, here.now_ms(), "cli", "rules.load", str(row.version), "ok", {"sha": row.sha}
            )
    finally:
        database.close()
    say(f"Rulebook {row.version} with {rules} rules is in force.")


@app.command("list")
def list_() -> None:
    """Show all rulebooks, the newest first.

    Example: ./waystation rules list
    """
    from storage import rulebooks

    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            rows = rulebooks.list_all(connection)
    finally:
        database.close()
    show_table(
        ("version", "in force", "since", "by", "sha"),
        ((r.version, "yes" if r.active else "no", moment(r.created_ms), r.actor, r.sha[:12]) for r in rows),
        "There is no rulebook yet: ./waystation db init",
    )


def _checked(file: Path) -> tuple[str, int, int]:
    """Text, number of rules, number of cases; raises BadRulebook with all that is wrong."""
    from rules.rulebook import load_rulebook
    from runtime.first_rulebook import read_text

    text = read_text(file)
    book = load_rulebook(text, version=0, name=str(file))
    wrong = book.check_cases()
    if wrong:
        raise BadRulebook("\n".join(wrong))
    return text, len(book.rules), sum(len(rule.cases) for rule in book.rules)
