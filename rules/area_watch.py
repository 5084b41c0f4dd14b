"""Applies to each station the rulebook of its area: the province's, with what a county has instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from domain.ids import DeviceId
from rules.rulebook import Rulebook, over
from rules.sight import Plan, plan_for
from rules.watch import Watcher


def stacked(province: Rulebook, own: Iterable[Rulebook]) -> dict[str, Rulebook]:
    """What holds in each area that has a book of its own: the larger area's first, the smaller one's over it.

    A book of `3310` holds in `331002` too, and one of `331002-0001` only at that station.
    """
    books: dict[str, Rulebook] = {}
    for book in sorted(own, key=lambda one: len(one.area)):
        above = province
        for area, larger in books.items():
            if book.area.startswith(area):
                above = larger
        books[book.area] = over(above, book)
    return books


def book_for(books: dict[str, Rulebook], province: Rulebook, division: str, station: str) -> Rulebook:
    """The book of the smallest area that a station lies in."""
    found = province
    for area in sorted(books, key=len):
        if division.startswith(area) or area == station:
            found = books[area]
    return found


class AreaWatcher(Watcher):
    """As a Watcher with the province's book; `division_of` tells in which county a station lies."""

    def __init__(
        self,
        province: Rulebook,
        own: Iterable[Rulebook],
        division_of: Callable[[str], str],
        station_names: Callable[[str], tuple[str, str]],
    ) -> None:
        super().__init__(province, station_names)
        self._books = stacked(province, own)
        self._division_of = division_of
        self._area_plans: dict[tuple[str, str], Plan | None] = {}

    def _plan(self, device: DeviceId) -> Plan | None:
        key = device.station, device.kind
        if key not in self._area_plans:
            book = book_for(self._books, self.rulebook, self._division_of(device.station), device.station)
            # Plans are shared: a book has one for each kind, however many stations it holds for.
            shared = (f"book {book.area}", device.kind)
            if shared not in self._area_plans:
                self._area_plans[shared] = plan_for(device.kind, book)
            self._area_plans[key] = self._area_plans[shared]
        return self._area_plans[key]
