"""The simulator keeps every check of the kit, and each mutant of it breaks exactly the one concerned."""

from __future__ import annotations

import pytest

from conform.check import SENTENCES
from conform.heard import Heard
from device_sim.behaviour import behaviours
from tests.conform.bench import Mutant, examine
from tests.conform.mutants import MUTANTS, KeepsNothing, LeavesOut, Obeys

DEVICES = ("occupancy_sensor", "door_lock")


def test_the_simulator_keeps_every_check() -> None:
    seen = examine(None, *DEVICES)

    assert seen.of("broken") == []
    assert seen.of("not seen") == []


@pytest.mark.parametrize("kind", behaviours())
def test_a_simulated_device_of_every_kind_breaks_nothing(kind: str) -> None:
    assert examine(None, kind).of("broken") == []


def test_a_door_written_from_the_contract_alone_keeps_every_check() -> None:
    seen = examine(Obeys(None), *DEVICES)

    assert (seen.of("broken"), seen.of("not seen")) == ([], [])


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_breaks_exactly_one_check(mutant: str) -> None:
    check, make = MUTANTS[mutant]
    device = "door_lock" if check.startswith("command.") else "occupancy_sensor"
    seen = examine(make(), device, seconds=480.0)

    assert {one: seen.told(one) for one in seen.of("broken")}.keys() == {check}
    assert seen.told(check)


def test_a_field_that_never_comes_again_is_found_where_nobody_cuts_the_line() -> None:
    seen = examine(LeavesOut("in_total", after_s=20.0), *DEVICES, shows_connections=False)

    assert seen.of("broken") == ["report.full"]
    assert "in_total" in seen.told("report.full")


def test_every_check_has_a_mutant_that_breaks_it() -> None:
    assert {check for check, _ in MUTANTS.values()} | {"report.full"} == set(SENTENCES)


def test_a_device_that_keeps_nothing_and_obeys_nothing_is_judged_by_the_rest() -> None:
    seen = examine(KeepsNothing(), "occupancy_sensor")

    assert seen.of("broken") == []
    assert {"again.missing", "store.new", "low.moves", "command.nonce"} <= set(seen.of("not seen"))
    assert "keeps nothing" in seen.told("again.missing")


def test_a_sitting_ends_in_time_and_says_what_it_did_not_see() -> None:
    seen = examine(None, "occupancy_sensor", seconds=30.0)

    assert seen.took_s == pytest.approx(30.0, abs=1.0)
    assert seen.of("broken") == []
    assert "again.timeout" in seen.of("not seen")


def test_nothing_heard_is_no_pass() -> None:
    class SaysNothing(Mutant):
        def says(self, heard: Heard) -> list[Heard]:
            return []

    seen = examine(SaysNothing(), "occupancy_sensor")

    assert {"link.first", "report.period"} <= set(seen.of("broken"))
