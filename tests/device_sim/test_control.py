"""Faults can be asked for from outside, by the same user only, and wrong requests get a sentence."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_sim.control import POINTER_NAME, SOCKET_NAME, Control, SimNotRunning, ask
from device_sim.fault_kind import UnknownFault
from domain.errors import Conflict
from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town

STATION = "331002-0001"


@pytest.fixture
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name, as sockets need."""
    return tmp_path_factory.mktemp("v")


@pytest.fixture
def town(var: Path) -> Iterator[Town]:
    made = Town(plan("door_lock", "swap_cabinet"))
    made.join()
    control = Control(made.fleet, var)
    control.start()
    yield made
    control.stop()


def test_a_fault_is_injected_listed_and_healed(town: Town, var: Path) -> None:
    asked = {"station": STATION, "device": "swap_cabinet/1", "fault": "overheat", "args": {"slot": 3}}
    used = ask(var, {"do": "fault", **asked})
    assert used == {"slot": 3, "temp_c": None, "rise_s": None, "for_s": None}
    assert ask(var, {"do": "status"})[0]["faults"] == ["swap_cabinet/1 overheat"]
    assert ask(var, {"do": "heal", "station": STATION}) == ["swap_cabinet/1 overheat"]
    assert ask(var, {"do": "heal", "station": STATION}) == []
    assert town.station.faults == {}


def test_all_faults_are_listed_with_what_they_do(town: Town, var: Path) -> None:
    listed = ask(var, {"do": "faults"})
    assert set(listed) == {"station", "door_lock", "swap_cabinet", "any device"}
    assert listed["station"]["dead_link"]["args"] == {"seconds": "how long"}


@pytest.mark.parametrize(
    "request_,says",
    [
        ({"do": "fault", "station": "x", "device": None, "fault": "lost"}, "No station 'x'"),
        (
            {"do": "fault", "station": STATION, "device": "x/1", "fault": "lost"},
            "door_lock/1, swap_cabinet/1",
        ),
        ({"do": "fault", "station": STATION, "device": "door_lock/1", "fault": "x"}, "there are: forced"),
        ({"do": "fault", "station": STATION, "device": None, "fault": 7}, "fault must be a text"),
        ({"do": "heal", "station": STATION, "device": "x/1"}, "has no device 'x/1'"),
        ({"do": "heal", "station": STATION, "fault": "x"}, "There is no fault 'x' of 331002-0001: dead_link"),
        ({"do": "dance", "station": STATION}, "fault, heal, status, totals, numbers, faults"),
        ({}, "station must be a text"),
    ],
)
def test_a_request_that_cannot_be_done_gets_a_sentence(
    town: Town, var: Path, request_: dict[str, object], says: str
) -> None:
    with pytest.raises(UnknownFault, match=says):
        ask(var, request_)


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[]\n", b"[" * 60_000 + b"\n", b"{\n"])
def test_rubbish_is_answered_and_harms_nothing(town: Town, var: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(var / SOCKET_NAME))
        caller.sendall(line)
        answer = json.loads(caller.makefile().readline())
    assert answer["ok"] is False
    assert "cannot be understood" in answer["error"]
    assert ask(var, {"do": "status"})


def test_only_the_owner_may_ask(town: Town, var: Path) -> None:
    assert stat.S_IMODE((var / SOCKET_NAME).stat().st_mode) == 0o600


def test_without_a_simulator_the_answer_says_how_to_start_one(var: Path) -> None:
    with pytest.raises(SimNotRunning, match="waystation"):
        ask(var, {"do": "status"})


def test_a_second_simulator_is_refused_and_a_dead_one_leaves_nothing_in_the_way(
    town: Town, var: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(Conflict, match="running already"):
        Control(town.fleet, var).start()
    other = tmp_path_factory.mktemp("w")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(other / SOCKET_NAME))
    control = Control(town.fleet, other)
    control.start()
    assert ask(other, {"do": "status"})
    control.stop()
    assert not (other / SOCKET_NAME).exists()


def test_a_folder_with_a_very_long_name_works_too(tmp_path: Path) -> None:
    var = tmp_path / ("long" * 40)
    town = Town(plan("door_lock"))
    with pytest.raises(SimNotRunning):
        ask(var, {"do": "status"})
    control = Control(town.fleet, var)
    control.start()
    assert ask(var, {"do": "status"})[0]["station"] == STATION
    control.stop()
    assert not (var / POINTER_NAME).exists()
