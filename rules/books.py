"""The rulebooks that hold in a province: its own, and those of areas that differ from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.area_watch import book_for, stacked
from rules.rulebook import Rulebook, load_rulebook


class BookText(NamedTuple):
    """A rulebook as it is written; `area` is empty for the province's."""

    text: str
    version: int
    name: str
    area: str = ""


@dataclass(frozen=True, slots=True)
class Books:
    """The province's rulebook, and the areas' own."""

    province: Rulebook
    own: tuple[Rulebook, ...] = ()
    _stacked: dict[str, Rulebook] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_stacked", stacked(self.province, self.own))

    def of(self, division: str, station: str) -> Rulebook:
        """What holds for a station."""
        return book_for(self._stacked, self.province, division, station)

    @property
    def all(self) -> tuple[Rulebook, ...]:
        """Everything that holds anywhere."""
        return (self.province, *self._stacked.values())


def read_books(texts: Iterable[BookText]) -> Books:
    """Read the province's text, which comes first, and those of areas; BadRulebook names every mistake."""
    first, *rest = texts
    province = load_rulebook(first.text, version=first.version, name=first.name)
    own: list[Rulebook] = []
    for one in sorted(rest, key=lambda one: len(one.area)):
        above = book_for(stacked(province, own), province, one.area, one.area)
        own.append(load_rulebook(one.text, version=one.version, name=one.name, area=one.area, above=above))
    return Books(province, tuple(own))


def with_new(texts: Iterable[BookText], new: BookText) -> tuple[BookText, ...]:
    """The texts as they will be when `new` has taken the place of its area's."""
    kept = [one for one in texts if one.area != new.area]
    return (new, *kept) if not new.area else (*kept, new)


def severities_of(*books: Books) -> dict[str, str]:
    """Every code that any of them has with its severity; what stands last counts."""
    return {rule.code: rule.severity for one in books for book in one.all for rule in book.rules}
