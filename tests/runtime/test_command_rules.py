"""`waystation rules` and `quarantine`: what decides, and what could not be understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.settings import TREE
from storage import audit, quarantine, rulebooks
from storage.database import Database
from storage.quarantine import BadRow
from tests.runtime.command_line import STATION, Waystation

BROKEN_RULES = """
rules:
  - code: too_hot
    kind: swap_cabinet
    when: temperature > 60
    severity: major
    texts: {zh: 热, en: hot}
"""


def test_the_rulebook_that_comes_with_the_hub_is_right(waystation: Waystation) -> None:
    said = waystation("rules", "check", str(TREE / "rules" / "rulebook.yaml"))

    assert (said.code, said.err) == (0, "")
    assert " cases as expected" in said.out


def test_a_broken_rulebook_is_named_by_file_line_and_field_and_changes_nothing(
    waystation: Waystation, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(BROKEN_RULES, encoding="utf-8")

    for command in ("check", "load"):
        said = waystation("rules", command, str(file))
        assert said.code == 1
        assert f"{file}:5: " in said.err
        assert "when" in said.err
    assert waystation("rules", "list").out == ""
    assert waystation("rules", "check", str(tmp_path / "none.yaml")).code == 1


def test_a_loaded_rulebook_is_in_force_and_noted(
    waystation: Waystation, hub_database: Database, tmp_path: Path
) -> None:
    text = (TREE / "rules" / "rulebook.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text + "\n# changed\n", encoding="utf-8")

    assert waystation("rules", "load", str(file)).code == 0
    with hub_database.read() as connection:
        assert rulebooks.active(connection).text.endswith("# changed\n")
        assert [row.actor for row in audit.newest(connection, action="rules.load")] == ["cli"]


@pytest.fixture
def kept(hub_database: Database) -> int:
    """A message in the quarantine."""
    row = BadRow(
        f"ws/331002/{STATION}/bulk/swap_cabinet/1/telemetry",
        b'{"temp":"\x1b[31mhot"}',
        "bad_payload",
        "slots.3.temp_c",
        "expected a number",
        1_795_467_427_000,
        STATION,
    )
    with hub_database.write() as connection:
        quarantine.put_many(connection, [row])
        (found,) = quarantine.search(connection)
    return found.id


def test_the_quarantine_is_listed_shown_replayed_and_dropped(
    waystation: Waystation, hub_database: Database, kept: int
) -> None:
    listed = waystation("quarantine", "list", "--station", STATION).out.split("\t")
    assert listed[0] == str(kept)
    assert "slots.3.temp_c" in listed
    shown = waystation("quarantine", "show", str(kept)).out
    assert "\x1b" not in shown
    assert r"\x1b[31mhot" in shown

    assert waystation("quarantine", "replay", str(kept)).code == 0
    with hub_database.read() as connection:
        assert [one.message.id for one in quarantine.next_replays(connection)] == [kept]
    assert waystation("quarantine", "drop", str(kept)).code == 0
    assert waystation("quarantine", "list").out == ""
    assert "dropped" in waystation("quarantine", "list", "--all").out
    assert waystation("quarantine", "show", "999").code == 1
