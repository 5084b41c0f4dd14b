"""Two rulebooks side by side: what both say alike is judged once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from rules.conditions import Condition
from rules.rule import STATION, Rule
from rules.rulebook import Rulebook

Side = Literal["before", "after", "both"]

_BESIDE: Final = frozenset({"line", "cases"})
_ALARM: Final = "station.alarm"


@dataclass(frozen=True, slots=True)
class Sides:
    """`both` holds the rules that are alike; `before` and `after` only those that are not."""

    both: Rulebook
    before: Rulebook
    after: Rulebook

    def items(self) -> Iterable[tuple[Side, Rulebook]]:
        """Each side with its rules, the common one first."""
        return (("both", self.both), ("before", self.before), ("after", self.after))

    def severities(self) -> dict[str, str]:
        """Every code of the two rulebooks with its severity, the new one where they differ."""
        rules = (*self.before.rules, *self.both.rules, *self.after.rules)
        return {rule.code: rule.severity for rule in rules}


def side_by_side(before: Rulebook, after: Rulebook) -> Sides:
    """Take two rulebooks apart. A rule is alike only when all rules that may inhibit it are, too, and, where
    it asks whether there is danger, all that may say so."""
    old, new = ({rule.code: rule for rule in book.rules} for book in (before, after))
    alike = {code for code, rule in new.items() if code in old and _alike(old[code], rule)}
    while True:
        danger = all(code in alike for book in (old, new) for code, rule in book.items() if rule.safety)
        wrong = {
            code
            for code in alike
            if not alike.issuperset(new[code].inhibited_by) or (_ALARM in new[code].reads and not danger)
        }
        # What one device's alerts keep back is judged together with them.
        wrong |= alike & {
            graver
            for book in (old, new)
            for code, rule in book.items()
            if code not in alike - wrong and rule.kind != STATION
            for graver in rule.inhibited_by
            if graver in book and book[graver].kind == rule.kind
        }
        if not wrong:
            break
        alike -= wrong
    return Sides(
        both=replace(after, rules=tuple(rule for rule in after.rules if rule.code in alike)),
        before=replace(before, rules=tuple(rule for rule in before.rules if rule.code not in alike)),
        after=replace(after, rules=tuple(rule for rule in after.rules if rule.code not in alike)),
    )


def _alike(old: Rule, new: Rule) -> bool:
    return all(
        _comparable(getattr(old, one.name)) == _comparable(getattr(new, one.name))
        for one in fields(Rule)
        if one.name not in _BESIDE
    )


def _comparable(value: Any) -> Any:
    # Two programs are never equal; what they were made from is.
    return value.source if isinstance(value, Condition) else value
