"""A condition taken apart into comparisons: in which of its alternatives what is compared with what."""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from domain.facts import Value
from rules.conditions import Token, tokens_of
from rules.guards import alternatives, bare, constant_of, parts_of

MAX_ALTERNATIVES: Final = 32
_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Side(NamedTuple):
    """`name * factor + shift`, or a constant where `name` is None."""

    name: str | None
    factor: float = 1.0
    shift: float = 0.0
    constant: Value = None


class Comparison(NamedTuple):
    """`left operator right`."""

    left: Side
    operator: str
    right: Side


Alternatives = tuple[tuple[Comparison, ...], ...]
"""The condition is true only if in one of these every comparison is true; there may be more to it."""


@cache
def alternatives_of(source: str) -> Alternatives | None:
    """The alternatives of a condition; None when it cannot be taken apart."""
    tokens = tokens_of(source)
    if any(token.text == "?" for token in tokens):
        return None
    found = _spread(tokens)
    return None if len(found) > MAX_ALTERNATIVES else found


@cache
def alternatives_of_not(source: str) -> Alternatives | None:
    """The alternatives of its contrary; None when not all of the condition can be taken apart."""
    tokens = tokens_of(source)
    if any(token.text == "?" for token in tokens):
        return None
    found = _spread(tokens, whole=True)
    if not all(found) or math.prod(len(one) for one in found) > MAX_ALTERNATIVES:
        return None
    return tuple(product(*(tuple(_contrary(one) for one in comparisons) for comparisons in found)))


def _contrary(one: Comparison) -> Comparison:
    return one._replace(operator=_OPPOSITE[one.operator])


def _spread(tokens: list[Token], *, whole: bool = False) -> Alternatives:
    """`a && (b || c)` has the alternatives `a && b` and `a && c`. With `whole`, an alternative of which a
    part cannot be read is empty."""
    found: list[tuple[Comparison, ...]] = []
    for one in alternatives(tokens):
        here: list[tuple[Comparison, ...]] = [()]
        for part in parts_of(one):
            inner: Alternatives
            if len(alternatives(part)) > 1:
                inner = _spread(part, whole=whole)
            else:
                read = _comparison(part)
                inner = ((read,) if read is not None else (),)
            if whole and not all(inner):
                return ((),)
            here = [(*before, *after) for before, after in product(here, inner)]
            if len(here) > MAX_ALTERNATIVES:
                break
        found += here
    return tuple(found)


def _comparison(tokens: list[Token]) -> Comparison | None:
    tokens = bare(tokens)
    if len(tokens) == 1 and tokens[0].sort == "name" and constant_of(tokens[0]) is None:
        return Comparison(Side(tokens[0].text), "==", Side(None, constant=True))
    if len(tokens) == 2 and tokens[0].text == "!" and tokens[1].sort == "name":
        return Comparison(Side(tokens[1].text), "==", Side(None, constant=False))
    at = [n for n, token in enumerate(tokens) if token.text in _OPPOSITE and token.sort == "sign"]
    if len(at) != 1:
        return None
    left, right = _side(tokens[: at[0]]), _side(tokens[at[0] + 1 :])
    return None if left is None or right is None else Comparison(left, tokens[at[0]].text, right)


def _side(tokens: list[Token]) -> Side | None:
    """`name`, `7`, `-7`, `name * 1.1 + 5.0` and what lies between."""
    tokens = bare(tokens)
    words = [token.text for token in tokens]
    if len(tokens) == 1:
        constant = constant_of(tokens[0])
        if constant is not None:
            return Side(None, constant=constant)
        return Side(words[0]) if tokens[0].sort == "name" else None
    if len(tokens) == 2 and words[0] == "-":
        number = _number(tokens[1])
        return None if number is None else Side(None, constant=-number)
    if not tokens or tokens[0].sort != "name":
        return None
    factor, shift = 1.0, 0.0
    rest = tokens[1:]
    if len(rest) >= 2 and rest[0].text == "*":
        read = _number(rest[1])
        if read is None or not read > 0:
            return None
        factor, rest = float(read), rest[2:]
    if len(rest) == 2 and rest[0].text in "+-":
        read = _number(rest[1])
        if read is None:
            return None
        shift, rest = float(read if rest[0].text == "+" else -read), []
    return None if rest or not math.isfinite(factor * shift) else Side(words[0], factor, shift)


def _number(token: Token) -> int | float | None:
    value = constant_of(token)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
