"""A quick look never says that all is well where the condition holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Value
from rules.conditions import ConditionFailed
from rules.guards import cannot_hold, guards_of
from rules.rule import Rule
from rules.rule_words import Words
from rules.yaml_text import Complaints
from tests.rules.hub import shipped

RULES = [rule for rule in shipped().rules if rule.when is not None]
WORDS = Words(shipped().kinds, Complaints(""))
VALUES = {
    "float": st.sampled_from([-20.0, 3.0, 20.0, 46.0, 50.0, 57.0, 61.0, 75.0, 101.0, 400.0, 1e6]),
    "int": st.sampled_from([-5, 0, 1, 5, 15, 30, 360, 720, 2000]),
    "bool": st.booleans(),
}


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
@given(data=st.data())
def test_what_is_well_at_a_glance_does_not_hold(rule: Rule, data: st.DataObject) -> None:
    assert rule.when is not None
    facts: dict[str, Value] = {}
    for name in rule.when.reads:
        type_, words = _type_of(rule, name)
        values = st.sampled_from(words) if words else VALUES.get(type_, st.just("idle"))
        value = data.draw(values | st.none(), label=name)
        if value is not None:
            facts[name] = value
    try:
        holds = rule.when.holds(facts)
    except ConditionFailed:
        holds = None
    if holds is True:
        assert not cannot_hold(guards_of(rule.when.source), facts, {})


def test_most_shipped_rules_need_only_a_glance_while_all_is_well() -> None:
    quick = [rule.code for rule in RULES if rule.when is not None and guards_of(rule.when.source)]
    assert len(quick) > 0.8 * len(RULES)
    assert {"battery_runaway", "battery_overheat", "silence_while_hot", "slot_fault"} <= set(quick)


@pytest.mark.parametrize(
    "source, facts, well",
    [
        ("temp_c >= 60", {"temp_c": 59.9}, True),
        ("temp_c >= 60", {"temp_c": 60.0}, False),
        ("temp_c >= 60", {}, False),
        ("count < -2", {"count": 0}, True),
        ("count < -2", {"count": -3}, False),
        ('(a == "x" && b) || (c && d > 1)', {"b": False, "d": 1}, True),
        ('(a == "x" && b) || (c && d > 1)', {"b": False, "d": 2}, False),
        ("smoke", {"smoke": False}, True),
        ("!smoke", {"smoke": True}, False),  # not looked into
        ("a || b ? c : d", {"a": False, "b": False}, False),
        ("a / b > 1", {"a": 1, "b": 0}, False),
    ],
)
def test_only_plain_comparisons_are_looked_at(source: str, facts: dict[str, Value], well: bool) -> None:
    assert cannot_hold(guards_of(source), facts, {}) is well


def test_a_part_looks_at_the_device_around_it() -> None:
    assert cannot_hold(guards_of("smoke"), {"temp_c": 30.0}, {"smoke": False})


def _type_of(rule: Rule, name: str) -> tuple[str, tuple[str, ...]]:
    vocabulary = WORDS.vocabulary(rule.kind, rule.in_part)
    return vocabulary.variables[name], vocabulary._choices.get(name, ())
