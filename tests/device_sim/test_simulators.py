"""Several processes play one simulator, and answer as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device_sim.control import Control, ask
from device_sim.fault_kind import UnknownFault
from device_sim.simulators import Simulators, part_dir, share
from domain.errors import WaystationError
from runtime.descriptors import make_room
from runtime.settings import Settings
from runtime.simulator_process import STATIONS_A_PROCESS, processes_for
from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town

FIRST, SECOND = "331002-0001", "331002-0002"


@pytest.fixture
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("v")


@pytest.fixture
def towns(var: Path) -> Iterator[list[Town]]:
    made = [Town(plan("door_lock", id=FIRST)), Town(plan("door_lock", "swap_cabinet", id=SECOND))]
    controls = []
    for number, town in enumerate(made):
        part_dir(var, number).mkdir(parents=True)
        controls.append(Control(town.fleet, part_dir(var, number)))
    whole = Control(Simulators(var, share([FIRST, SECOND], 2), 2), var)
    for control in (*controls, whole):
        control.start()
    yield made
    for control in (whole, *controls):
        control.stop()


def test_a_fault_reaches_the_process_that_plays_the_station(towns: list[Town], var: Path) -> None:
    ask(var, {"do": "fault", "station": SECOND, "device": "door_lock/1", "fault": "jammed"})
    assert towns[0].station.faults == {}
    assert ("door_lock/1", "jammed") in towns[1].station.faults
    assert ask(var, {"do": "heal", "station": SECOND}) == ["door_lock/1 jammed"]


def test_all_stations_and_all_faults_are_listed_and_counted(towns: list[Town], var: Path) -> None:
    for town in towns:
        town.join()
        town.carry()
    assert {one["station"] for one in ask(var, {"do": "status"})} == {FIRST, SECOND}
    assert {"station", "door_lock", "swap_cabinet"} <= set(ask(var, {"do": "faults"}))
    totals = ask(var, {"do": "totals"})
    assert (totals["stations"], totals["connected"], totals["parts"], totals["held"]) == (2, 2, 2, 0)
    assert totals["said"] == sum(town.station.box.said for town in towns)


def test_which_messages_still_wait_is_told_station_by_station(towns: list[Town], var: Path) -> None:
    towns[0].join()
    towns[0].carry()
    towns[1].run(90)
    told = ask(var, {"do": "numbers"})
    assert told[FIRST]["waiting"] == []
    assert told[FIRST]["said"] == towns[0].station.box.said > 0
    assert told[SECOND]["waiting"] == list(range(told[SECOND]["said"]))
    assert told[SECOND]["boot"] == towns[1].station.box.boot
    assert told[SECOND]["dropped"] == 0


def test_a_station_that_nobody_plays_and_a_fault_that_is_unknown_get_a_sentence(
    towns: list[Town], var: Path
) -> None:
    with pytest.raises(UnknownFault, match="No station '331002-0009'"):
        ask(var, {"do": "heal", "station": "331002-0009"})
    with pytest.raises(UnknownFault, match="there are: forced"):
        ask(var, {"do": "fault", "station": FIRST, "device": "door_lock/1", "fault": "melted"})


def test_a_part_that_has_not_started_yet_counts_nothing(var: Path) -> None:
    assert Simulators(var, share([FIRST], 1), 1).totals()["parts"] == 0


def test_a_province_is_shared_by_several_processes_and_a_town_is_not() -> None:
    assert processes_for(Settings(), 40) == 1
    assert processes_for(Settings(), 12_000) == 12_000 // STATIONS_A_PROCESS
    assert processes_for(Settings(sim_processes=7), 12_000) == 7
    assert processes_for(Settings(sim_processes=7), 3) == 3


def test_more_connections_than_the_machine_allows_are_refused_with_what_to_do() -> None:
    make_room(10)
    with pytest.raises(WaystationError, match="WAYSTATION_SIM_PROCESSES"):
        make_room(2**40)
