"""The page about the rulebook explains every field, and its example can be used."""

from __future__ import annotations

import re
from pathlib import Path

from rules.rule_text import FIELDS
from rules.rulebook import load_rulebook

PAGE = (Path(__file__).parents[2] / "docs" / "rulebook.md").read_text(encoding="utf-8")


def test_every_field_of_a_rule_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)", PAGE, re.MULTILINE))
    assert explained == set(FIELDS)


def test_the_example_is_a_good_rulebook_and_its_cases_come_out() -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert load_rulebook(example[1], version=1, name="docs/rulebook.md").check_cases() == ()
