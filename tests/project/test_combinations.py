"""Every way to put the hub together is covered, and CONTRIBUTING.md says by what."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from runtime.settings import TREE
from tests.combinations import EVERY, BrokerKind, Combination, DatabaseKind, SeriesKind


def test_all_eight_are_there_once() -> None:
    possible = set(product(get_args(DatabaseKind), get_args(SeriesKind), get_args(BrokerKind)))
    assert {(one.database, one.series, one.broker) for one in EVERY} == possible
    assert len(EVERY) == len(possible) == 8


def test_the_table_is_in_the_document_as_it_stands_here() -> None:
    lines = (TREE / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    at = lines.index("| database | readings | broker | runs so | whole hub |")
    assert lines[at + 2 : at + 2 + len(EVERY)] == [one.row for one in EVERY]


@pytest.mark.parametrize("one", [one for one in EVERY if one.whole_hub], ids=lambda one: one.id)
def test_the_whole_hub_is_started_by_a_test_that_exists(one: Combination) -> None:
    assert (TREE / one.whole_hub).is_file()
