"""A broken rulebook is refused as a whole, with the line and the field of every mistake."""

from __future__ import annotations

import pytest

from domain.errors import BadRulebook
from rules.rulebook import load_rulebook

GOOD = {
    "code": "code: too_hot",
    "kind": "kind: swap_cabinet",
    "part": "part: slot",
    "when": "when: temp_c >= 60",
    "severity": "severity: major",
    "texts": 'texts: {zh: "【严重】{station}：热。", en: "[Major] {station}: hot."}',
}


def text_with(**changed: str | None) -> str:
    """A good rule in which some lines are others, gone (None) or added."""
    lines = [line for line in {**GOOD, **changed}.values() if line is not None]
    return "rules:\n  - " + "\n    ".join(line for one in lines for line in one.split("\n")) + "\n"


def message_of(text: str) -> str:
    with pytest.raises(BadRulebook) as caught:
        load_rulebook(text, version=1)
    return str(caught.value)


def test_the_rule_that_the_mistakes_are_made_in_is_good() -> None:
    assert [rule.code for rule in load_rulebook(text_with(), version=1).rules] == ["too_hot"]


@pytest.mark.parametrize(
    "changed, expected",
    [
        # A word that no rule has.
        ({"x": "wen: temp_c > 3"}, "rulebook.yaml:8: rules.1.wen: unknown field; known are actions, cases,"),
        # The same word twice.
        ({"x": "severity: minor"}, "rulebook.yaml:8: rules.1.severity: is there twice (first in line 6)"),
        # A name that the kind does not report.
        (
            {"when": "when: temp > 60"},
            "rulebook.yaml:5: rules.1.when: unknown field 'temp'; known are battery,",
        ),
        # The mistake stands in the second line of the expression.
        (
            {"when": "when: |\n  temp_c > 60 &&\n  temp > 1"},
            "rulebook.yaml:7: rules.1.when: unknown field 'temp'",
        ),
        # A number compared with a text.
        (
            {"when": 'when: temp_c == "hot"'},
            "rulebook.yaml:5: rules.1.when: at character 8: found no matching",
        ),
        # A misspelt choice would never be true.
        (
            {"when": 'when: state == "ful"'},
            "rules.1.when: state is never 'ful'; it is one of empty, charging, full",
        ),
        # An expression that is not true or false.
        ({"when": "when: temp_c + 1"}, "rulebook.yaml:5: rules.1.when: gives a value of type double"),
        # An expression that looks at nothing.
        ({"when": "when: 1 < 2"}, "rulebook.yaml:5: rules.1.when: looks at no fact"),
        # Not CEL at all.
        (
            {"when": "when: temp_c >= 60 &&"},
            "rulebook.yaml:5: rules.1.when: at character 16: Syntax error: mismatched input",
        ),
        # Nothing that could ever fire.
        (
            {"when": None},
            "rulebook.yaml:2: rules.1.when: is missing: a rule needs one of when, event, silent",
        ),
        # Durations have one unit.
        ({"x": "for: 90"}, "rulebook.yaml:8: rules.1.for: '90' is not a duration such as 10s, 2m or 6h"),
        ({"x": "for: 1m30s"}, "rulebook.yaml:8: rules.1.for: '1m30s' is not a duration"),
        ({"x": "for: 9000h"}, "rulebook.yaml:8: rules.1.for: '9000h' is not a duration"),
        ({"x": "for: 0s"}, "rulebook.yaml:8: rules.1.for: is zero; leave it out"),
        # YAML 1.1 would take this for true.
        ({"x": "latch: yes"}, "rulebook.yaml:8: rules.1.latch: expected true or false, got 'yes'"),
        # Texts in both languages, for people.
        ({"texts": None}, "rulebook.yaml:2: rules.1.texts: is missing: people read zh and en"),
        ({"texts": 'texts: {zh: "【严重】{station}"}'}, "rulebook.yaml:7: rules.1.texts.en: is missing"),
        (
            {"texts": 'texts: {zh: "【严重】{temp}", en: "[Major] x"}'},
            "rulebook.yaml:7: rules.1.texts.zh: unknown placeholder {temp}; known are battery,",
        ),
        (
            {"texts": 'texts: {zh: "【一般】{station}", en: "[Major] x"}'},
            "rulebook.yaml:7: rules.1.texts.zh: must begin with 【严重】, which is its severity",
        ),
        # Kinds, parts, events, severities and codes are known words.
        (
            {"kind": "kind: toaster"},
            "rulebook.yaml:3: rules.1.kind: unknown kind 'toaster'; known are any, ",
        ),
        (
            {"part": "part: drawer"},
            "rulebook.yaml:4: rules.1.part: a part of swap_cabinet is called slot, not 'drawer'",
        ),
        (
            {"x": "event: exploded"},
            "rulebook.yaml:8: rules.1.event: 'exploded' is not an event of swap_cabinet;",
        ),
        ({"x": "event: smoke"}, "rulebook.yaml:8: rules.1.event: the event 'smoke' names no part"),
        (
            {"severity": "severity: bad"},
            "rulebook.yaml:6: rules.1.severity: 'bad' is not one of emergency, major,",
        ),
        ({"code": "code: Too Hot"}, "rulebook.yaml:2: rules.1.code: 'Too Hot' is not a lower-case name"),
        # A safety rule is urgent, and nothing may silence it.
        (
            {"x": "safety: true"},
            "rulebook.yaml:6: rules.1.severity: of a safety rule is emergency, not major",
        ),
        (
            {
                "severity": "severity: emergency",
                "texts": 'texts: {zh: "【紧急】x", en: "[Emergency] x"}',
                "x": "safety: true\ninhibited_by: [too_hot]",
            },
            "rulebook.yaml:9: rules.1.inhibited_by: a safety rule cannot be inhibited",
        ),
        ({"x": "refuse_entry: true"}, "rulebook.yaml:8: rules.1.refuse_entry: is for safety rules"),
        # What can never be.
        ({"x": "inhibited_by: [nobody]"}, "rulebook.yaml:2: too_hot.inhibited_by: there is no rule 'nobody'"),
        ({"x": "inhibited_by: [too_hot]"}, "rulebook.yaml:2: too_hot.inhibited_by: goes round in a circle"),
        ({"x": "latch: true\nclear: temp_c < 50"}, "rulebook.yaml:9: rules.1.clear: does not go with latch"),
        ({"x": "silent: 5m"}, "rulebook.yaml:8: rules.1.silent: after a when needs latch: true"),
        (
            {"when": "event: runaway"},
            "rulebook.yaml:5: rules.1.event: would never end: add when, clear or latch",
        ),
        (
            {"when": "event: runaway\nlatch: true\nfor: 3s"},
            "rulebook.yaml:7: rules.1.for: says how long `when`",
        ),
        # Actions are commands of the device, or of a role.
        (
            {"x": "actions: [{command: fly}]"},
            "rules.1.actions.1.command: swap_cabinet has no command 'fly'; known are",
        ),
        (
            {"x": "actions: [{command: release, role: roof}]"},
            "rules.1.actions.1.role: unknown role 'roof'; known are",
        ),
        (
            {"x": "actions: [{command: lockdown, role: door}]"},
            "'lockdown' is for a person to give: a rule may cut,",
        ),
        ({"x": "actions: [{command: unlock, role: door}]"}, "'unlock' is for a person to give"),
        ({"x": "actions: [{command: cut_power, args: {slot: 1}}]"}, "actions.1.args.slot: unknown field"),
        ({"x": "actions: [{command: stop_charge, args: {slot: 77}}]"}, "must be a whole number from 1 to 48"),
        # Cases are checked like the rest.
        (
            {"x": "cases: [{must_burn: []}]"},
            "rulebook.yaml:8: rules.1.cases.1: must be one of must_fire, must_not,",
        ),
        (
            {"x": "cases: [{must_fire: [{at: 0s, temp: 1}]}]"},
            "rules.1.cases.1.must_fire.1.temp: unknown field 'temp'",
        ),
        ({"x": "cases: [{must_fire: [{at: 0s, temp_c: hot}]}]"}, "temp_c: expected a number, got 'hot'"),
        ({"x": "cases: [{must_fire: [{at: 9s}, {at: 1s}]}]"}, "steps must stand in the order of their `at`"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_field(changed: dict[str, str | None], expected: str) -> None:
    assert expected in message_of(text_with(**changed))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "rulebook.yaml:1: is empty"),
        ("rules: [", "rulebook.yaml:2: is not YAML: "),
        ("rules:\n\t- x", "rulebook.yaml:2: is not YAML: "),
        ("- a\n- b", "rulebook.yaml:1: rules: is missing: a rulebook is `rules:` with a list of rules"),
        ("rules: []\nname: x", "rulebook.yaml:2: name: unknown field; a rulebook has only rules"),
        ("rules:\n  - just a text", "rulebook.yaml:2: rules.1: must be a rule: code, kind, …"),
        ("rules: &a\n  - *a", "rulebook.yaml:1: rules.1: is used twice by & and *; write it out"),
        ("a: " * 3 + "\x00", "rulebook.yaml:1: is not YAML: "),
    ],
)
def test_what_is_no_rulebook_at_all_is_said_to_be_none(text: str, expected: str) -> None:
    assert expected in message_of(text)


def test_all_mistakes_are_told_at_once_and_twenty_are_enough() -> None:
    both = message_of(text_with(severity="severity: bad", kind="kind: swap_cabinet\nlach: true"))
    assert len(both.splitlines()) == 2
    many = "rules:\n" + "".join(f"  - code: rule_{n}\n    kind: toaster\n" for n in range(30))
    lines = message_of(many).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 10 more"


def test_two_rules_of_one_code_are_refused() -> None:
    text = text_with() + text_with().removeprefix("rules:\n")
    assert "rulebook.yaml:8: too_hot.code: is there twice (first in line 2)" in message_of(text)


def test_a_case_that_fails_is_told_with_its_line() -> None:
    wrong = text_with(
        x="cases:\n  - must_fire:\n      - {at: 0s, temp_c: 59}\n  - must_not: [{at: 0s, temp_c: 60}]"
    )
    assert load_rulebook(wrong, version=1, name="mine.yaml").check_cases() == (
        "mine.yaml:9: too_hot: must fire, and stayed silent",
        "mine.yaml:11: too_hot: must not fire, and did",
    )


def test_the_same_text_has_the_same_sha_whatever_its_version() -> None:
    one, two = load_rulebook(text_with(), version=1), load_rulebook(text_with(), version=2)
    assert one.sha == two.sha
    assert one.sha != load_rulebook(text_with(code="code: other"), version=1).sha
