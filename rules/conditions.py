"""One condition of a rule: a CEL expression over typed facts, which is true, false or unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cel_expr_python import cel

from devices.kind import ColumnType
from domain.facts import Value

_TYPES = {"float": cel.Type.DOUBLE, "int": cel.Type.INT, "bool": cel.Type.BOOL, "str": cel.Type.STRING}
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<text>[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+)
      | (?P<int>0x[0-9a-fA-F]+[uU]?|[0-9]+[uU]?)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*)
      | (?P<sign>&&|\|\||[<>=!]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MIXED = re.compile(
    r"no matching overload for '(?:_.{1,2}_|@in)' applied to '\((\w+(?:\(\w+\))?), (\w+(?:\(\w+\))?)\)'"
)
_UNKNOWN_NAME = re.compile(r"undeclared reference to '([^']+)'")
MAX_LENGTH = 2000
MAX_VERDICTS = 2048


class BadCondition(ValueError):
    """The expression cannot be used; `line` counts from 0 within it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class ConditionFailed(Exception):
    """All facts were there, and still the expression gave an error (a division by zero)."""


class Token(NamedTuple):
    """One word of an expression: its sort, its text, where it starts."""

    sort: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression; `reads` are the names of the facts that it looks at."""

    source: str
    reads: tuple[str, ...]
    _program: Any
    _verdicts: dict[tuple[Value, ...], bool | str | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    """By the facts, which repeat themselves; what was said about those over which it fails is a text."""

    def holds(self, facts: Mapping[str, Value]) -> bool | None:
        """Evaluate over facts that are known (leave out what is not, never pass None).

        None means unknown: a fact that decides is absent. Raises ConditionFailed on any other error.
        """
        get = facts.get
        known = tuple([get(name) for name in self.reads])
        try:
            verdict = self._verdicts[known]
        except KeyError:
            verdict = self._evaluate(facts)
            if len(self._verdicts) >= MAX_VERDICTS:
                self._verdicts.clear()
            self._verdicts[known] = verdict
        if isinstance(verdict, str):
            raise ConditionFailed(verdict)
        return verdict

    def _evaluate(self, facts: Mapping[str, Value]) -> bool | str | None:
        result = self._program.eval(data=facts).plain_value()
        if result is True or result is False:
            return bool(result)
        if any(name not in facts for name in self.reads):
            return None
        return str(result)


class Vocabulary:
    """The names that the conditions of one kind may use, with their types and, for choices, their words."""

    def __init__(
        self, variables: Mapping[str, ColumnType], choices: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self.variables = dict(variables)
        self._choices = {name: words for name, words in (choices or {}).items() if words}
        self._env = cel.NewEnv(variables={name: _TYPES[type_] for name, type_ in variables.items()})

    def compile(self, source: str) -> Condition:
        """Check and compile; raise BadCondition with a sentence and the line within `source`."""
        if len(source) > MAX_LENGTH:
            raise BadCondition(f"is {len(source)} characters long; at most {MAX_LENGTH} are taken")
        text = source
        program = None
        while program is None:
            try:
                program = self._env.compile(text)
            except RuntimeError as exc:
                line, column, said = _first_error(str(exc))
                changed = _with_double(text, line, column, said)
                if changed is None:
                    raise BadCondition(self._explain(said, column), line) from exc
                text = changed
        if program.return_type() != cel.Type.BOOL:
            kind = program.return_type().name().lower()
            raise BadCondition(f"gives a value of type {kind}; a condition is true or false")
        tokens = tokens_of(text)
        self._check_words(tokens, text)
        names = (self._variable(token.text) for token in tokens if token.sort == "name")
        reads = tuple(dict.fromkeys(name for name in names if name is not None))
        if not reads:
            raise BadCondition("looks at no fact, so it would be always true or always false")
        return Condition(source, reads, program)

    def _variable(self, name: str) -> str | None:
        """The variable in a dotted name: `leaf` in `leaf.startsWith`, all of `door.leaf`."""
        while name not in self.variables:
            name, _, _ = name.rpartition(".")
            if not name:
                return None
        return name

    def _explain(self, said: str, column: int) -> str:
        unknown = _UNKNOWN_NAME.search(said)
        if unknown:
            return f"unknown field {unknown[1]!r}; known are {', '.join(sorted(self.variables))}"
        return f"at character {column}: {said}"

    def _check_words(self, tokens: list[Token], text: str) -> None:
        """A misspelt word (`leaf == "opne"`) is well typed and would never be true."""
        for at, token in enumerate(tokens):
            words = self._choices.get(token.text) if token.sort == "name" else None
            if not words:
                continue
            for other in _compared_with(tokens, at):
                word = other.text.lstrip("rRbB").strip("\"'")
                if word not in words:
                    line = text.count("\n", 0, other.at)
                    said = f"{token.text} is never {word!r}; it is one of {', '.join(words)}"
                    raise BadCondition(said, line)


def _compared_with(tokens: list[Token], at: int) -> list[Token]:
    texts: list[Token] = []
    after = tokens[at + 1 : at + 3]
    before = tokens[max(0, at - 2) : at]
    if len(after) == 2 and after[0].text in ("==", "!="):
        texts.append(after[1])
    if len(before) == 2 and before[1].text in ("==", "!="):
        texts.append(before[0])
    if len(after) == 2 and after[0].text == "in" and after[1].text == "[":
        for token in tokens[at + 3 :]:
            if token.text == "]":
                break
            texts.append(token)
    return [token for token in texts if token.sort == "text"]


def tokens_of(text: str) -> list[Token]:
    """The words of an expression, without the space between them."""
    found = []
    for match in _TOKEN.finditer(text):
        sort = match.lastgroup or "sign"
        if sort != "space":
            found.append(Token(sort, match.group(), match.start()))
    return found


def _first_error(message: str) -> tuple[int, int, str]:
    match = _ERROR.search(message)
    if match is None:
        return 0, 0, message.strip()
    # What the parser would have liked instead is a list of its own words.
    said = match[3].removesuffix("[INVALID_ARGUMENT]").split(" expecting ")[0]
    return int(match[1]) - 1, int(match[2]), said.strip()


def _with_double(text: str, line: int, column: int, said: str) -> str | None:
    """CEL compares no double with an integer: write the integer literals of that side as doubles."""
    mixed = _MIXED.search(said)
    if mixed is None:
        return None
    left, right = mixed[1], mixed[2]
    if left == "double" and right in ("int", "list(int)"):
        forward = True
    elif left in ("int", "list(int)") and right == "double":
        forward = False
    else:
        return None
    offset = sum(len(one) + 1 for one in text.split("\n")[:line]) + column - 1
    tokens = tokens_of(text)
    at = next((i for i, token in enumerate(tokens) if token.at >= offset), None)
    if at is None:
        return None
    side = tokens[at + 1 :] if forward else tokens[:at][::-1]
    literals = _literals(side, listed="list" in (right if forward else left))
    for token in sorted(literals, key=lambda t: t.at, reverse=True):
        end = token.at + len(token.text)
        text = f"{text[: token.at]}{token.text}.0{text[end:]}"
    return text if literals else None


def _literals(side: list[Token], *, listed: bool) -> list[Token]:
    skip = "[]-,()" if listed else "-()"
    found: list[Token] = []
    for token in side:
        if token.sort == "int" and token.text.isdecimal():
            found.append(token)
            if not listed:
                break
        elif token.text not in skip or (listed and found and token.text in "[]"):
            break
    return found
