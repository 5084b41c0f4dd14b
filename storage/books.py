"""Rulebooks ready for use: a new text checked against what is in force around it, and what is in force."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from devices.registry import kinds
from domain.errors import BadRulebook, NotFound
from rules.area_watch import book_for, stacked
from rules.rulebook import Rulebook, load_rulebook, over
from rules.rulebook_diff import RuleChange, differences
from storage import rulebooks
from storage.rule_reach import Reach, reach_of
from storage.rulebooks import PROVINCE


@dataclass(frozen=True, slots=True)
class Checked:
    """A text that can be loaded. `together` is what would hold in its area."""

    own: Rulebook
    together: Rulebook

    @property
    def cases(self) -> int:
        """How many cases came out as they say."""
        return sum(len(rule.cases) for rule in self.own.rules)


@dataclass(frozen=True, slots=True)
class Difference:
    """`since` is the version it is compared with, 0 for none; `reach` whom the changes touch."""

    since: int
    changes: tuple[RuleChange, ...]
    reach: tuple[Reach, ...]


def area_name(area: str) -> str:
    """The word for an area in the table: the empty area is the province's."""
    return area or PROVINCE


def check(
    connection: Connection | None, text: str, *, area: str = "", name: str = "rulebook.yaml"
) -> Checked:
    """Read a text and run its cases; BadRulebook names every mistake.

    Without a connection an area's own rulebook cannot refer to rules of the province.
    """
    above = _above(connection, area) if area and connection is not None else None
    own = load_rulebook(text, version=0, name=name, area=area, above=above)
    wrong = own.check_cases()
    if wrong:
        raise BadRulebook("\n".join(wrong))
    return Checked(own, own if above is None else over(above, own))


def in_force(connection: Connection, area: str = "") -> tuple[Rulebook, int]:
    """What holds in an area, and the version of its own book (0: it has none). NotFound without any."""
    row = rulebooks.active(connection, PROVINCE)
    above = load_rulebook(row.text, version=row.version, name=f"rulebook {row.version}")
    if not area:
        return above, row.version
    above = _above(connection, area)
    try:
        own = rulebooks.active(connection, area)
    except NotFound:
        return above, 0
    book = load_rulebook(
        own.text, version=own.version, name=f"rulebook {own.version}", area=area, above=above
    )
    return over(above, book), own.version


def compare(connection: Connection, new: Checked, *, area: str = "", seen: str = "") -> Difference:
    """What would change in an area; `seen` limits whom it is counted for."""
    try:
        old, since = in_force(connection, area)
    except (NotFound, BadRulebook):
        old, since = Rulebook((), 0, "", new.own.kinds), 0
    changes = differences(old.rules, new.together.rules)
    touched = {kind for change in changes for kind in change.kinds}
    return Difference(since, changes, tuple(reach_of(connection, touched, area, seen)) if touched else ())


def _above(connection: Connection, area: str) -> Rulebook:
    """What holds around an area, without its own book; nothing does before there is any rulebook."""
    try:
        row = rulebooks.active(connection, PROVINCE)
    except NotFound:
        return Rulebook((), 0, "", kinds())
    province = load_rulebook(row.text, version=row.version, name=f"rulebook {row.version}")
    larger: list[Rulebook] = []
    for one in rulebooks.all_active(connection):
        if one.area != PROVINCE and one.area != area and area.startswith(one.area):
            book = book_for(stacked(province, larger), province, one.area, one.area)
            name = f"rulebook {one.version} of {one.area}"
            larger.append(load_rulebook(one.text, version=one.version, name=name, area=one.area, above=book))
    return book_for(stacked(province, larger), province, area, area)
