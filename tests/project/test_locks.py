"""What is installed is what was locked, from wherever the packages come."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
EXPORTS = {
    "requirements.lock": ["--no-default-groups", "--group", "install"],
    "requirements-dev.lock": [],
    "uv.lock.txt": ["--only-group", "install"],
}


def uv() -> str:
    found = shutil.which("uv", path=str(TREE / ".venv/bin")) or shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed")
    return found


@pytest.mark.parametrize("name", EXPORTS)
def test_the_hashed_file_says_what_uv_lock_says(name: str, tmp_path: Path) -> None:
    for file in ("pyproject.toml", "uv.lock"):
        shutil.copy(TREE / file, tmp_path)
    command = [uv(), "export", "--frozen", "--offline", "--quiet", "--no-header", "--no-emit-project"]
    made = subprocess.run(
        [*command, *EXPORTS[name]], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout

    assert made == (TREE / name).read_text("utf-8"), "run `make lock`"


def test_uv_lock_fits_the_dependencies_named_in_pyproject() -> None:
    wanted = tomllib.loads((TREE / "pyproject.toml").read_text("utf-8"))
    locked = {
        p["name"]: p.get("version") for p in tomllib.loads((TREE / "uv.lock").read_text("utf-8"))["package"]
    }
    groups = [entry for group in wanted["dependency-groups"].values() for entry in group]
    named = [entry for entry in [*wanted["project"]["dependencies"], *groups] if isinstance(entry, str)]

    for requirement in named:
        found = re.fullmatch(r"([a-z0-9-]+)(\[[a-z]+\])?==(\S+)", requirement)
        assert found, f"{requirement} names no exact version"
        assert locked[found[1]] == found[3], f"{requirement} is not what uv.lock holds: run `make lock`"


@pytest.mark.parametrize("name", EXPORTS)
def test_no_package_comes_from_a_fixed_address_or_without_a_hash(name: str) -> None:
    text = (TREE / name).read_text("utf-8")
    entries = re.split(r"\n(?=[a-z])", re.sub(r"(?m)^ *#.*\n?", "", text))

    assert "://" not in text
    assert "index-url" not in text
    for entry in entries:
        assert "--hash=sha256:" in entry, entry


def test_what_runs_is_part_of_what_developers_have() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"(?m)^[a-z0-9-]+(?:\[[a-z]+\])?==\S+", (TREE / name).read_text("utf-8")))

    assert pins("uv.lock.txt") <= pins("requirements.lock") <= pins("requirements-dev.lock")
