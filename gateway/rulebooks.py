"""The rulebooks in force: rows of the database, swapped between two batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from domain.errors import BadRulebook
from rules.area_watch import AreaWatcher, book_for, stacked
from rules.rulebook import Rulebook, load_rulebook
from rules.watch import Watcher
from storage import rulebooks, stations
from storage.database import Database
from storage.rulebooks import PROVINCE, RulebookRow
from storage.versions import STATIONS, last_version

logger = logging.getLogger(__name__)


class Rules:
    """`watcher` is always the one in force; a row that cannot be loaded changes nothing."""

    def __init__(self, database: Database, station_names: Callable[[str], tuple[str, str]]) -> None:
        self._database = database
        self._station_names = station_names
        self._watcher: Watcher | None = None
        self._versions: frozenset[int] = frozenset()
        self._own: list[Rulebook] = []
        self._divisions: Mapping[str, str] = {}
        self._divisions_version = -1

    @property
    def watcher(self) -> Watcher:
        """The rules in force; `load` must have succeeded once."""
        if self._watcher is None:
            raise BadRulebook("No rulebook is in force: run `./waystation rules load rules/rulebook.yaml`.")
        return self._watcher

    def load(self) -> None:
        """Take the active rows. One that is broken is refused loudly, and the last good one stays."""
        with self._database.read() as connection:
            province = rulebooks.active(connection)
            rows = [row for row in rulebooks.all_active(connection) if row.area != PROVINCE]
            self._versions = frozenset({province.version, *(row.version for row in rows)})
            if rows:
                self._divisions_version = last_version(connection, STATIONS)
                self._divisions = {one.id: one.area for one in stations.all_stations(connection).values()}
            else:
                self._divisions_version = -1
        try:
            book = load_rulebook(province.text, version=province.version, name=f"rulebook {province.version}")
        except BadRulebook as exc:
            logger.error("The rulebook cannot be used: %s", exc, extra={"action": "rulebook_refused"})
            if self._watcher is None:
                raise
            book = self._watcher.rulebook
        own: list[Rulebook] = []
        for row in rows:
            found = self._of_area(row, book, own)
            if found is not None:
                own.append(found)
        self._own = own
        if own:
            self._watcher = AreaWatcher(book, own, self._division_of, self._station_names)
        else:
            self._watcher = Watcher(book, self._station_names)
        logger.info(
            "Rulebook %d is in force%s",
            book.version,
            "".join(f", {one.version} in {one.area}" for one in own),
            extra={"action": "rulebook_loaded"},
        )

    def changed(self) -> bool:
        """True when other rows are active than those that were loaded last, or stations may have moved."""
        with self._database.read() as connection:
            if rulebooks.active_versions(connection) != self._versions:
                return True
            return self._divisions_version not in (-1, last_version(connection, STATIONS))

    def _of_area(self, row: RulebookRow, province: Rulebook, larger_ones: list[Rulebook]) -> Rulebook | None:
        name = f"rulebook {row.version} of {row.area}"
        larger = book_for(stacked(province, larger_ones), province, row.area, row.area)
        try:
            return load_rulebook(row.text, version=row.version, name=name, area=row.area, above=larger)
        except BadRulebook as exc:
            logger.error("An area's rulebook cannot be used: %s", exc, extra={"action": "rulebook_refused"})
            # The last good one of this area stays, as it does for the province.
            return next((one for one in self._own if one.area == row.area), None)

    def _division_of(self, station: str) -> str:
        return self._divisions.get(station, station[:6])
