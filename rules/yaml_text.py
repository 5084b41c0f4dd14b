"""YAML read as plain text with line numbers: `no` stays `no`, 12:30 stays 12:30, nothing is there twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from domain.errors import BadRulebook
from domain.facts import Value

MAX_CHARACTERS = 1_000_000
MAX_ERRORS = 20
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h)")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000}
_MAX_DURATION_MS = 7 * 24 * 3_600_000


@dataclass(slots=True)
class Complaints:
    """All that is wrong with one file, so that a person mends it in one go."""

    name: str
    found: list[str] = field(default_factory=list)

    def add(self, line: int, path: str, message: str) -> None:
        """`line` counts from 1."""
        place = f"{path}: " if path else ""
        self.found.append(f"{self.name}:{line}: {place}{message}")

    def stop_if_any(self) -> None:
        """Raise BadRulebook with one line for each."""
        if self.found:
            more = len(self.found) - MAX_ERRORS
            shown = self.found[:MAX_ERRORS] + ([f"and {more} more"] if more > 0 else [])
            raise BadRulebook("\n".join(shown))


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as it was written."""

    text: str
    line: int
    path: str
    block: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int
    path: str

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Table:
    """Names and what stands beside them."""

    entries: Mapping[str, Node]
    lines: Mapping[str, int]
    line: int
    path: str


Node = Text | Items | Table


def read(text: str, complaints: Complaints) -> Node | None:
    """The whole document; None, with a complaint, when it is not YAML at all."""
    if len(text) > MAX_CHARACTERS:
        complaints.add(1, "", f"is {len(text)} characters long; at most {MAX_CHARACTERS} are taken")
        return None
    try:
        found = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        complaints.add(mark.line + 1 if mark else 1, "", f"is not YAML: {exc.problem or exc.context}")
        return None
    except yaml.YAMLError as exc:
        complaints.add(1, "", f"is not YAML: {exc}")
        return None
    if found is None:
        complaints.add(1, "", "is empty")
        return None
    return _walk(found, "", complaints, 0, set())


def _walk(node: yaml.Node, path: str, complaints: Complaints, depth: int, seen: set[int]) -> Node | None:
    line = node.start_mark.line + 1
    if id(node) in seen:
        complaints.add(line, path, "is used twice by & and *; write it out")
        return None
    seen.add(id(node))
    if depth > 8:
        complaints.add(line, path, "is nested too deeply")
        return None
    if isinstance(node, yaml.ScalarNode):
        return Text(node.value, line, path, block=node.style in ("|", ">"))
    if isinstance(node, yaml.SequenceNode):
        named = [(f"{path}.{at}".lstrip("."), one) for at, one in enumerate(node.value, 1)]
        inner = [_walk(one, inner_path, complaints, depth + 1, seen) for inner_path, one in named]
        return Items(tuple(one for one in inner if one is not None), line, path)
    entries: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            complaints.add(key_line, path, "a name must be a plain word")
            continue
        key = key_node.value
        inner_path = f"{path}.{key}".lstrip(".")
        if key in entries:
            complaints.add(key_line, inner_path, f"is there twice (first in line {lines[key]})")
            continue
        lines[key] = key_line
        value = _walk(value_node, inner_path, complaints, depth + 1, seen)
        if value is not None:
            entries[key] = value
    return Table(entries, lines, line, path)


def duration_ms(text: str) -> int | None:
    """`10s`, `2m`, `6h` as milliseconds; None for anything else, or for more than a week."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    found = int(match[1]) * _UNIT_MS[match[2]]
    return found if found <= _MAX_DURATION_MS else None


def typed(text: str, type_: str) -> Value:
    """A scalar as a value of this type (`float`, `int`, `bool`, `str`); `null` is None; or ValueError."""
    if text == "null":
        return None
    if type_ == "str":
        return text
    if type_ == "bool":
        if text not in ("true", "false"):
            raise ValueError(f"expected true or false, got {text!r}")
        return text == "true"
    try:
        return int(text) if type_ == "int" else float(text)
    except ValueError:
        wanted = "a whole number" if type_ == "int" else "a number"
        raise ValueError(f"expected {wanted}, got {text!r}") from None
