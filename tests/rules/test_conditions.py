"""Conditions: typed, with integers beside doubles, true, false or unknown."""

from __future__ import annotations

import pytest

from domain.facts import Value
from rules.conditions import BadCondition, ConditionFailed, Vocabulary

WORDS = Vocabulary(
    {
        "temp_c": "float",
        "smoke": "bool",
        "n": "int",
        "leaf": "str",
        "door.leaf": "str",
        "door.cycles_6h": "int",
    },
    {"leaf": ("open", "closed")},
)


@pytest.mark.parametrize(
    "source, facts, expected",
    [
        # Integer literals beside a double are doubles, on either side, negative, in lists, in sums.
        ("temp_c >= 60", {"temp_c": 60.0}, True),
        ("60 <= temp_c", {"temp_c": 59.9}, False),
        ("temp_c > -5", {"temp_c": -4.5}, True),
        ("temp_c in [1, -2, 3]", {"temp_c": -2.0}, True),
        ("temp_c * 2 > 1 + temp_c", {"temp_c": 2.0}, True),
        ("(temp_c) >= (60)", {"temp_c": 61.0}, True),
        ("temp_c >= 60 && n >= 6", {"temp_c": 60.0, "n": 6}, True),
        ("smoke ? temp_c > 1 : n > 1", {"smoke": False, "n": 2, "temp_c": 0.0}, True),
        # A whole number that arrives where a double is declared.
        ("temp_c >= 60", {"temp_c": 61}, True),
        # Unknown decides nothing, unless the rest decides without it.
        ("temp_c >= 60", {}, None),
        ("smoke && temp_c >= 60", {"smoke": False}, False),
        ("smoke && temp_c >= 60", {"smoke": True}, None),
        ("smoke || temp_c >= 60", {"smoke": True}, True),
        ("smoke || temp_c >= 60", {"smoke": False}, None),
        ("!smoke", {}, None),
        # An error where something is unknown is unknown.
        ("n / n > 1 || smoke", {"n": 0}, None),
        # Names with a role.
        ('door.leaf == "open" && door.cycles_6h > 2', {"door.leaf": "open", "door.cycles_6h": 3}, True),
        ('leaf in ["open", "closed"]', {"leaf": "closed"}, True),
        ('leaf.startsWith("o")', {"leaf": "open"}, True),
    ],
)
def test_a_condition_is_true_false_or_unknown(
    source: str, facts: dict[str, Value], expected: bool | None
) -> None:
    assert WORDS.compile(source).holds(facts) is expected


def test_an_error_with_all_facts_there_is_an_error() -> None:
    with pytest.raises(ConditionFailed, match="divide by zero"):
        WORDS.compile("10 / n > 1").holds({"n": 0})


@pytest.mark.parametrize(
    "source, reads",
    [
        ("temp_c >= 60 && (smoke || temp_c > 70)", ("temp_c", "smoke")),
        ('door.leaf == "leaf smoke"', ("door.leaf",)),  # names inside a text are no names
        ("// smoke\ntemp_c > 1", ("temp_c",)),  # nor inside a comment
    ],
)
def test_it_is_known_what_a_condition_reads(source: str, reads: tuple[str, ...]) -> None:
    assert WORDS.compile(source).reads == reads


@pytest.mark.parametrize(
    "source, expected, line",
    [
        (
            "temp >= 60",
            "unknown field 'temp'; known are door.cycles_6h, door.leaf, leaf, n, smoke, temp_c",
            0,
        ),
        ("temp_c > n", "found no matching overload for '_>_' applied to '(double, int)'", 0),
        ("smoke &&\nleaf == 3", "found no matching overload for '_==_' applied to '(string, int)'", 1),
        ('smoke ||\n\nleaf != "opne"', "leaf is never 'opne'; it is one of open, closed", 2),
        ('"opne" == leaf', "leaf is never 'opne'", 0),
        ("n", "gives a value of type int; a condition is true or false", 0),
        ("true", "looks at no fact", 0),
        ("temp_c > 1 " * 200, "characters long; at most 2000", 0),
    ],
)
def test_a_condition_that_cannot_be_used_is_refused(source: str, expected: str, line: int) -> None:
    with pytest.raises(BadCondition) as caught:
        WORDS.compile(source)
    assert expected in str(caught.value)
    assert caught.value.line == line
