"""Each part says from outside whether it does its work, also to those who start and stop containers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.running import command, new_settings, running
from tests.runtime.command_line import Waystation
from tests.waiting import eventually

PARTS = ("broker", "gateway", "api", "courier", "sim")


@pytest.mark.parametrize("part", PARTS)
def test_what_does_not_run_is_said_in_one_sentence(waystation: Waystation, part: str) -> None:
    said = waystation("health", part)

    # An empty database has nothing for a courier to be late with.
    assert (said.code, said.err.count("\n")) == ((0, 0) if part == "courier" else (1, 1)), said


@pytest.mark.integration
@pytest.mark.timeout(240)
def test_all_parts_of_a_hub_are_well_until_one_is_gone(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "var", stations=3)
    with running(settings, tmp_path) as hub:
        for part in PARTS:
            asked = command(settings, "health", part)
            assert (asked.returncode, asked.stdout) == (0, f"The {part} works.\n"), asked.stderr

        (line,) = [line for line in hub.processes() if " gateway " in line]
        os.kill(int(line.split()[0]), signal.SIGSTOP)
        try:
            eventually(lambda: command(settings, "health", "gateway").returncode == 1, 20, every_s=0.5)
        finally:
            os.kill(int(line.split()[0]), signal.SIGCONT)
