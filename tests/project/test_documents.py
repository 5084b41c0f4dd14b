"""Documents point at what exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from runtime.secret_files import SECRETS, SUFFIX

TREE = Path(__file__).resolve().parents[2]
FILES = {name + SUFFIX for name in SECRETS}


def documents() -> list[str]:
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=TREE,
        capture_output=True,
        text=True,
    )
    names = said.stdout.split("\0") if said.returncode == 0 else map(str, TREE.glob("*.md"))
    return sorted(name for name in names if name and (TREE / name).exists())


@pytest.mark.parametrize("name", documents())
def test_every_relative_link_leads_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", (TREE / name).read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]

    assert [target for target in relative if not ((TREE / name).parent / target).exists()] == []


@pytest.mark.parametrize("name", documents())
def test_every_make_target_and_setting_that_is_named_exists(name: str) -> None:
    text = (TREE / name).read_text("utf-8")
    made = set(re.findall(r"(?m)^([a-z]+):", (TREE / "Makefile").read_text("utf-8")))
    settings = set(re.findall(r"### (WAYSTATION_\w+)", (TREE / "docs/settings.md").read_text("utf-8")))
    named = {word for word in re.findall(r"WAYSTATION_[A-Z0-9_]*[A-Z0-9]", text) if "_TEST" not in word}

    assert set(re.findall(r"`make ([a-z]+)", text)) - made == set()
    assert named - settings - FILES - {"WAYSTATION_PROT"} == set()


def test_every_secret_that_may_come_as_a_file_is_in_the_list_of_settings() -> None:
    listed = set(re.findall(r"`(WAYSTATION_\w+_FILE)`", (TREE / "docs/settings.md").read_text("utf-8")))

    assert listed == FILES
