"""The rulebook that comes with Waystation, or that a setting names, becomes a row at the first start."""

from __future__ import annotations

from pathlib import Path

from domain.errors import BadRulebook
from rules.rulebook import load_rulebook
from runtime.installation import CannotStart, Installation
from runtime.settings import TREE
from storage import rulebooks
from storage.database import Database

SHIPPED = TREE / "rules" / "rulebook.yaml"


def read_text(path: Path) -> str:
    """The text of a rulebook's file; BadRulebook when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise BadRulebook(f"{path} is not UTF-8 text (byte {exc.start}).") from exc
    except OSError as exc:
        raise BadRulebook(f"{path} cannot be read: {exc.strerror}.") from exc


def seed(here: Installation, database: Database) -> rulebooks.RulebookRow:
    """Check the file and keep it as a row; returns the row that is in force. Raises BadRulebook."""
    path = here.settings.rulebook or SHIPPED
    try:
        text = read_text(path)
    except BadRulebook as exc:
        raise CannotStart(f"{exc} WAYSTATION_RULEBOOK names it.") from exc
    load_rulebook(text, version=0, name=path.name)
    with database.read() as connection:
        # No writing for nothing: a frozen gateway may hold the file, and its successor shall say so.
        if any(row.text == text for row in rulebooks.list_all(connection)):
            return rulebooks.active(connection)
    with database.write() as connection:
        return rulebooks.seed(connection, text, here.now_ms())
