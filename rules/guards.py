"""A quick look at a condition: plain comparisons in it that are false show that it cannot be true.

Most reports are about things that are well. What can be seen with a few comparisons needs no evaluation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from domain.facts import Value
from rules.conditions import Token, tokens_of

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")
MAX_GROUPS: Final = 12


class Guard(NamedTuple):
    """`name` compared with a constant."""

    name: str
    holds: Callable[[Any, Any], bool]
    constant: Value


Guards = tuple[tuple[Guard, ...], ...]
"""The condition is true only if in one of the groups no guard is false."""


@lru_cache(maxsize=4096)
def guards_of(source: str) -> Guards:
    """The guards of a condition; empty when nothing can be told quickly."""
    tokens = tokens_of(source)
    if any(token.text == "?" for token in tokens):
        return ()
    groups = []
    for alternative in alternatives(tokens):
        group = tuple(guard for part in parts_of(alternative) if (guard := _guard(part)) is not None)
        if not group:
            return ()
        groups.append(group)
    return tuple(groups) if len(groups) <= MAX_GROUPS else ()


def cannot_hold(guards: Guards, values: Mapping[str, Value], own: Mapping[str, Value]) -> bool:
    """True when the condition is surely not true. `own` are the facts of the device around a part."""
    for group in guards:
        for name, holds, constant in group:
            value = values.get(name)
            if value is None:
                value = own.get(name)
            if value is not None and not holds(value, constant):
                break
        else:
            return False
    return bool(guards)


class Calm(NamedTuple):
    """While the number `name` lies between, the condition is surely not true."""

    name: str
    above: float
    below: float


def calm_of(guards: Guards) -> Calm | None:
    """A number on which every group depends, and within which bounds it makes none of them true."""
    names = [guard.name for guard in guards[0]] if guards else []
    for name in names:
        spans = [_calm_span(group, name) for group in guards]
        if None not in spans:
            above = max(span[0] for span in spans if span is not None)
            below = min(span[1] for span in spans if span is not None)
            if above < below:
                return Calm(name, above, below)
    return None


def _calm_span(group: tuple[Guard, ...], name: str) -> tuple[float, float] | None:
    """Between which numbers, bounds not included, one of the guards on `name` is false."""
    for guard in group:
        if guard.name == name and not isinstance(guard.constant, (bool, str)) and guard.constant is not None:
            if guard.holds in (operator.gt, operator.ge):
                return -math.inf, guard.constant
            if guard.holds in (operator.lt, operator.le):
                return guard.constant, math.inf
    return None


def alternatives(tokens: list[Token]) -> list[list[Token]]:
    """What stands between `||`."""
    split = _split(bare(tokens), "||")
    return split if len(split) == 1 else [inner for part in split for inner in alternatives(part)]


def parts_of(tokens: list[Token]) -> list[list[Token]]:
    """What stands between `&&`."""
    split = _split(bare(tokens), "&&")
    return split if len(split) == 1 else [inner for part in split for inner in parts_of(part)]


def _guard(tokens: list[Token]) -> Guard | None:
    tokens = bare(tokens)
    if len(tokens) == 1 and tokens[0].sort == "name":
        return Guard(tokens[0].text, operator.is_, True)
    if len(tokens) not in (3, 4) or tokens[0].sort != "name" or tokens[1].text not in _OPERATORS:
        return None
    negative = len(tokens) == 4
    if negative and tokens[2].text != "-":
        return None
    constant = constant_of(tokens[-1])
    if constant is None or (negative and (isinstance(constant, (bool, str)))):
        return None
    if negative and isinstance(constant, (int, float)):
        constant = -constant
    return Guard(tokens[0].text, _OPERATORS[tokens[1].text], constant)


def constant_of(token: Token) -> Value:
    """The value that a literal stands for; None for anything else."""
    if token.text in ("true", "false"):
        return token.text == "true"
    if token.sort == "int":
        return int(token.text) if token.text.isdecimal() else None
    if token.sort == "float":
        return float(token.text)
    plain = token.sort == "text" and token.text[0] in "\"'" and "\\" not in token.text
    return token.text[1:-1] if plain and not token.text.startswith(('"""', "'''")) else None


def bare(tokens: list[Token]) -> list[Token]:
    """Without the parentheses that are round all of it."""
    while len(tokens) > 1 and tokens[0].text == "(" and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _closing(tokens: list[Token]) -> int:
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text in _OPENS) - (token.text in _CLOSES)
        if depth == 0:
            return at
    return -1


def _split(tokens: list[Token], by: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in _OPENS) - (token.text in _CLOSES)
        if depth == 0 and token.text == by:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
