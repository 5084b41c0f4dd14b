"""Rulebooks are added, never changed; the program's own gives way to a person's choice."""

from __future__ import annotations

import pytest

from domain.errors import NotFound
from storage import rulebooks
from storage.database import Database


def test_the_programs_rulebook_is_taken_in_once_and_again_when_it_changed(db: Database) -> None:
    with db.write() as connection:
        with pytest.raises(NotFound):
            rulebooks.active(connection)
        assert rulebooks.active_version(connection) == 0
        first = rulebooks.seed(connection, "rules: 一", 5)
        assert (first.version, first.active, first.actor, first.text) == (1, True, "seed", "rules: 一")
        assert rulebooks.seed(connection, "rules: 一", 6) == first
        second = rulebooks.seed(connection, "rules: 二", 7)
        assert (second.version, second.active) == (2, True)
        assert [(one.version, one.active) for one in rulebooks.list_all(connection)] == [
            (2, True),
            (1, False),
        ]


def test_what_a_person_chose_stays_when_the_program_brings_a_newer_one(db: Database) -> None:
    with db.write() as connection:
        rulebooks.seed(connection, "rules: 1", 5)
        chosen = rulebooks.add(connection, "rules: mine", "token-1", 6)
        assert rulebooks.seed(connection, "rules: 2", 7) == chosen
        assert rulebooks.active_version(connection) == chosen.version
        rulebooks.make_active(connection, 3)
        assert rulebooks.active(connection).text == "rules: 2"
        with pytest.raises(NotFound):
            rulebooks.make_active(connection, 9)


def test_a_rulebook_can_be_kept_without_deciding(db: Database) -> None:
    with db.write() as connection:
        rulebooks.seed(connection, "rules: 1", 5)
        assert rulebooks.add(connection, "rules: 2", "token-1", 6, activate=False).active is False
        assert rulebooks.active_version(connection) == 1
