"""A new device kind costs two files and its rules: with them there, nothing else needs to be told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("devices", "device_sim", "rules", "storage", "gateway", "api", "courier", "web", "runtime")
STAND = Path(__file__).resolve().parent / "umbrella_stand"

pytestmark = pytest.mark.integration


def run_with_the_stand(*arguments: str) -> str:
    """pytest in a process of its own, in which the two files stand where all kinds stand."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "tests.devices.umbrella_stand.moved_in",
            "-p", "no:cacheprovider", *arguments,
        ],
        cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    return done.stdout


def passed(output: str) -> int:
    found = re.search(r"(\d+) passed", output)
    return int(found[1]) if found else 0


def test_the_new_kind_costs_exactly_two_files() -> None:
    files = {str(path.relative_to(STAND)) for path in STAND.rglob("umbrella_stand.py")}
    assert files == {"devices/umbrella_stand.py", "device_sim/umbrella_stand.py"}
    named = [
        path
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yaml", ".html", ".js"} and "umbrella" in path.read_text(encoding="utf-8")
    ]
    assert named == []


def test_it_decodes_folds_is_stored_judged_shown_and_simulated() -> None:
    assert passed(run_with_the_stand(str(STAND / "road.py"))) == 4


def test_what_is_tested_of_every_kind_is_tested_of_it() -> None:
    output = run_with_the_stand(
        "tests/devices/test_every_kind.py", "tests/device_sim/test_behaviours.py",
        "tests/storage/test_series.py",        "-k", "umbrella_stand",
    )  # fmt: skip
    assert passed(output) >= 15
