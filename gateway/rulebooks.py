"""The rulebook in force: a row of the database, swapped between two batches."""

from __future__ import annotations

import logging
from collections.abc import Callable

from domain.errors import BadRulebook
from rules.rulebook import load_rulebook
from rules.watch import Watcher
from storage import rulebooks
from storage.database import Database

logger = logging.getLogger(__name__)


class Rules:
    """`watcher` is always the one in force; a row that cannot be loaded changes nothing."""

    def __init__(self, database: Database, station_names: Callable[[str], tuple[str, str]]) -> None:
        self._database = database
        self._station_names = station_names
        self._watcher: Watcher | None = None
        self._version = -1

    @property
    def watcher(self) -> Watcher:
        """The rules in force; `load` must have succeeded once."""
        if self._watcher is None:
            raise BadRulebook("No rulebook is in force: run `./waystation rules load rules/rulebook.yaml`.")
        return self._watcher

    def load(self) -> None:
        """Take the active row. One that is broken is refused loudly, and the last good one stays."""
        with self._database.read() as connection:
            row = rulebooks.active(connection)
        try:
            book = load_rulebook(row.text, version=row.version, name=f"rulebook {row.version}")
        except BadRulebook as exc:
            self._version = row.version
            logger.error("The rulebook cannot be used: %s", exc, extra={"action": "rulebook_refused"})
            if self._watcher is None:
                raise
            return
        self._watcher, self._version = Watcher(book, self._station_names), row.version
        logger.info("Rulebook %d is in force", row.version, extra={"action": "rulebook_loaded"})

    def changed(self) -> bool:
        """True when another row is active than the one that was loaded last."""
        with self._database.read() as connection:
            return rulebooks.active_version(connection) != self._version
