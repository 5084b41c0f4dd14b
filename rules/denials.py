"""What makes a condition false all by itself: `temp_c >= 60` is not met at 21 °C, whatever else is true."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from domain.facts import Value

_NUMBERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_WORDS: Final = {"true": True, "false": False}


class Word(Protocol):
    """One word of an expression: its sort and its text."""

    @property
    def sort(self) -> str: ...
    @property
    def text(self) -> str: ...


class Denial(NamedTuple):
    """One `&&`-ed comparison of a fact with a literal."""

    compare: Callable[[Any, Any], bool]
    literal: Value

    def denies(self, value: Value) -> bool:
        """True when a fact of this value makes the whole condition false."""
        return not self.compare(value, self.literal)


def denials_of(words: Sequence[Word], variables: Mapping[str, str]) -> dict[str, tuple[Denial, ...]]:
    """The comparisons of a checked expression that decide alone, by the name of the fact.

    Only those that stand in a plain chain of `&&`; of anything else nothing is said, and the whole
    condition must be looked at.
    """
    found: dict[str, tuple[Denial, ...]] = {}
    for clause in _clauses(words):
        read = _read(clause, variables)
        if read is not None:
            name, denial = read
            found[name] = (*found.get(name, ()), denial)
    return found


def _clauses(words: Sequence[Word]) -> Iterator[list[Word]]:
    depth = 0
    clauses: list[list[Word]] = [[]]
    for word in words:
        if word.sort == "sign" and word.text in ("(", "[", "{"):
            depth += 1
        elif word.sort == "sign" and word.text in (")", "]", "}"):
            depth -= 1
        if depth == 0 and word.text in ("||", "?"):
            return
        if depth == 0 and word.text == "&&":
            clauses.append([])
        else:
            clauses[-1].append(word)
    yield from clauses


def _read(clause: list[Word], variables: Mapping[str, str]) -> tuple[str, Denial] | None:
    if len(clause) == 1 and variables.get(clause[0].text) == "bool":
        return clause[0].text, Denial(operator.eq, True)
    if len(clause) == 2 and clause[0].text == "!" and variables.get(clause[1].text) == "bool":
        return clause[1].text, Denial(operator.eq, False)
    if len(clause) != 3 or clause[0].sort != "name" or clause[0].text not in variables:
        return None
    compare, literal = _NUMBERS.get(clause[1].text), _literal(clause[2])
    if compare is None or literal is None:
        return None
    return clause[0].text, Denial(compare, literal)


def _literal(word: Word) -> Value:
    if word.sort == "float" or (word.sort == "int" and word.text.isdecimal()):
        return float(word.text)
    if word.sort == "name":
        return _WORDS.get(word.text)
    if (
        word.sort == "text"
        and "\\" not in word.text
        and word.text[0] in "\"'"
        and word.text[:3] != word.text[0] * 3
    ):
        return word.text[1:-1]
    return None
