"""The cases beside a rule, read and checked: each a short story of reports with its expected end."""

from __future__ import annotations

from itertools import pairwise

from domain.facts import Value
from rules.rule import Case, Step
from rules.rule_words import Words, listed
from rules.yaml_text import Items, Node, Table, Text, duration_ms, typed

WANTED = ("must_fire", "must_not", "must_clear")


def read_cases(words: Words, table: Table, kind: str, in_part: bool) -> tuple[Case, ...]:
    """The cases in their order."""
    cases = []
    for node in words.items(table, "cases", "{must_fire: […]}"):
        if not isinstance(node, Table) or len(node.entries) != 1 or not node.entries.keys() <= set(WANTED):
            words.complain(node, f"must be one of {', '.join(WANTED)}, with a list of steps")
            continue
        wanted, story = next(iter(node.entries.items()))
        if not isinstance(story, Items):
            words.complain(story, "must be a list of steps {at: 0s, …}")
            continue
        steps = [step for one in story if (step := _step(words, one, kind, in_part)) is not None]
        if any(later.at_ms < step.at_ms for step, later in pairwise(steps)):
            words.complain(story, "steps must stand in the order of their `at`")
        cases.append(Case(wanted, tuple(steps), node.line))
    return tuple(cases)


def _step(words: Words, node: Node, kind: str, in_part: bool) -> Step | None:
    if not isinstance(node, Table):
        words.complain(node, "must be {at: 0s, …}")
        return None
    at = words.text(node, "at", required=True)
    if at is None:
        return None
    at_ms = duration_ms(at.text)
    if at_ms is None:
        words.complain(at, f"{at.text!r} is not a duration such as 0s, 10s or 2m")
        return None
    variables = words.vocabulary(kind, in_part).variables
    fields: dict[str, Value] = {}
    for name, value in node.entries.items():
        if name in ("at", "event", "heard"):
            continue
        if name not in variables:
            words.complain_of(node, name, f"unknown field {name!r}; known are {listed(variables)}")
        elif not isinstance(value, Text):
            words.complain(value, "must be one plain value")
        else:
            try:
                fields[name] = typed(value.text, variables[name])
            except ValueError as exc:
                words.complain(value, str(exc))
    return Step(at_ms, fields, words.event(node, kind, in_part), words.flag(node, "heard"))
