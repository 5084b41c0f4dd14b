"""Two rulebooks side by side: what both say alike is judged once, and a condition remembers its verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal

from domain.facts import Value
from rules.conditions import Condition, ConditionFailed
from rules.rule import STATION, Rule
from rules.rulebook import Rulebook

Side = Literal["before", "after", "both"]

_BESIDE: Final = frozenset({"line", "cases"})
_ALARM: Final = "station.alarm"
_MOST_REMEMBERED: Final = 20_000
_FAILED: Final = object()
_NEW: Final = object()


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
        both=_remembering(after, [rule for rule in after.rules if rule.code in alike]),
        before=_remembering(before, [rule for rule in before.rules if rule.code not in alike]),
        after=_remembering(after, [rule for rule in after.rules if rule.code not in alike]),
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


def _remembering(book: Rulebook, rules: list[Rule]) -> Rulebook:
    return replace(book, rules=tuple(replace(r, when=_slow(r.when), clear=_slow(r.clear)) for r in rules))


def _slow(condition: Condition | None) -> Condition | None:
    return None if condition is None else RememberingCondition(condition)


@dataclass(frozen=True, slots=True, init=False)
class RememberingCondition(Condition):
    """A condition that answers from memory what it was asked before: stored readings repeat themselves."""

    _known: dict[tuple[Value, ...], object] = field(compare=False)
    _asked: Condition = field(compare=False)

    def __init__(self, condition: Condition) -> None:
        for name, value in (
            ("source", condition.source),
            ("reads", condition.reads),
            ("_program", None),
            ("_known", {}),
            ("_asked", condition),
        ):
            object.__setattr__(self, name, value)

    def holds(self, facts: Mapping[str, Value]) -> bool | None:
        """The verdict; raises ConditionFailed each time for facts over which the expression fails."""
        get = facts.get
        key = tuple([get(name) for name in self.reads])
        known = self._known.get(key, _NEW)
        if known is _NEW:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            try:
                known = self._asked.holds(facts)
            except ConditionFailed:
                known = _FAILED
            self._known[key] = known
        if known is _FAILED:
            raise ConditionFailed(self.source)
        return known  # type: ignore[return-value]
