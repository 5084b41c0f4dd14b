"""A Python that cannot run Waystation is refused in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.python_check import objection

TREE = Path(__file__).resolve().parents[2]
GLIBC = "cpython-312-x86_64-linux-gnu"


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_every_supported_version_is_taken(minor: int) -> None:
    assert objection((3, minor, 0), "cpython", GLIBC, False, True) == ""


@pytest.mark.parametrize(
    ("version", "implementation", "soabi", "free_threaded", "has_venv", "said"),
    [
        ((3, 10, 13), "cpython", GLIBC, False, True, "too old"),
        ((3, 15, 0), "cpython", GLIBC, False, True, "too new"),
        ((3, 11, 9), "pypy", "pypy311-pp73", False, True, "needs CPython"),
        ((3, 12, 1), "cpython", "cpython-312-x86_64-linux-musl", False, True, "glibc"),
        ((3, 14, 0), "cpython", "cpython-314t-x86_64-linux-gnu", True, True, "free-threaded"),
        ((3, 11, 2), "cpython", GLIBC, False, False, "python3-venv"),
    ],
)
def test_what_is_wrong_is_said(
    version: tuple[int, int, int],
    implementation: str,
    soabi: str,
    free_threaded: bool,
    has_venv: bool,
    said: str,
) -> None:
    sentence = objection(version, implementation, soabi, free_threaded, has_venv)

    assert said in sentence
    assert "\n" not in sentence


def test_this_python_is_taken_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-I", TREE / "runtime/python_check.py"], capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_make_names_the_python_that_was_asked_for(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "uv.lock.txt"):
        (tmp_path / name).write_bytes((TREE / name).read_bytes())
    done = subprocess.run(
        ["make", ".venv", "PYTHON=/no/such/python"], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "No Python 3.11 to 3.14 was found (looked for: /no/such/python)" in done.stderr


def test_the_command_line_says_what_to_do_without_an_environment(tmp_path: Path) -> None:
    (tmp_path / "waystation").write_bytes((TREE / "waystation").read_bytes())
    (tmp_path / "waystation").chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to("waystation")
    done = subprocess.run([link, "up"], cwd="/", capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == (
        f"Waystation has no environment here yet: run `make -C {tmp_path} .venv` once, "
        "or `make run` to start everything.\n"
    )
