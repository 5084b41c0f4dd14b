"""The whole hub on Mosquitto, set up by the lines of docs/brokers.md and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runtime.settings import TREE
from tests.e2e.running import Running, command, new_settings, running
from tests.e2e.shell import Shell, shell, typed_lines
from tests.mosquitto import PROGRAM
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TEXT = (TREE / "docs/brokers.md").read_text("utf-8")
CABINET, OWN = "331002-0001", "331002-9001"


class House(NamedTuple):
    """A hub that runs, the shell it was set up in, and the lines of the document that come after."""

    hub: Running
    terminal: Shell
    lines: list[str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("hub")
    hub_port, station_port = free_port(), free_port()
    settings = new_settings(folder / "var", stations=4) | {
        "WAYSTATION_MQTT_PORT": str(hub_port),
        "WAYSTATION_MQTT_TLS_PORT": str(station_port),
    }
    lines = typed_lines(TEXT, **{"var/": f"{folder}/var/", "8883": str(station_port)})
    starts, ups = lines.index(f"{folder}/var/mosquitto/run.sh"), lines.index("./waystation up")
    with contextlib.ExitStack() as opened:
        terminal = opened.enter_context(shell(settings))
        for line in lines[:starts]:
            terminal.type(line)
        broker = opened.enter_context(shell(settings))
        broker.start(lines[starts])
        exported = dict(
            line.removeprefix("export ").split("=") for line in lines[:ups] if line.startswith("export ")
        )
        yield House(opened.enter_context(running(settings | exported, folder)), terminal, lines[ups + 1 :])
        assert broker.press_ctrl_c() == 0


@pytest.fixture(scope="module")
def token(house: House) -> str:
    made = command(
        house.hub.settings, "token", "create", "--name", "test", "--area", "33", "--days", "1",
        "--scope", "alerts:read", "--scope", "devices:read",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return f"Bearer {made.stdout.splitlines()[0]}"


def _live(hub: Running) -> set[str]:
    return {one["id"] for one in hub.stations() if one["availability"]["basis"] == "live"}


def test_stations_come_live(house: House) -> None:
    equipped = {one["id"] for one in house.hub.stations() if one["equipped"]}
    assert CABINET in equipped
    eventually(lambda: equipped <= _live(house.hub), 30, every_s=0.2, saying="every equipped station is live")


def test_a_door_opens(house: House) -> None:
    hub = house.hub
    door = hub.find(r"/api/v1/doors/(\w+)/unlock")
    bearer = hub.find(r"Authorization: (Bearer ws_[\w-]+)")

    def asked() -> str:
        # Soon after the start its lock may not have spoken yet.
        key = f"test-{os.urandom(8).hex()}"
        answer = hub.ask("POST", f"/api/v1/doors/{door}/unlock", Authorization=bearer, Idempotency_Key=key)
        return str(answer.body["command"]) if answer.status == 202 else ""

    opening = eventually(asked, 20, every_s=0.5, saying="the door takes the request")

    def moved() -> bool:
        body = hub.ask("GET", f"/api/v1/commands/{opening}", Authorization=bearer).body
        assert body["state"] not in ("failed", "rejected", "no_answer", "expired"), body
        return "done" in [step["state"] for step in body["steps"]]

    eventually(moved, 10, saying="the bolt moves")


def test_a_broken_cabinet_raises_its_alert(house: House, token: str) -> None:
    hub = house.hub
    eventually(lambda: CABINET in _live(hub), 30)
    broken = command(hub.settings, "sim", "fault", CABINET, "swap_cabinet/1", "overheat", "--slot", "3")
    assert broken.returncode == 0, broken.stderr

    def raised() -> bool:
        answer = hub.ask("GET", f"/api/v1/alerts?state=open&station={CABINET}", Authorization=token)
        assert answer.status == 200, answer
        return "battery_overheat" in [one["code"] for one in answer.body["items"]]

    eventually(raised, 60, every_s=0.5, saying="an alert about the hot battery")


def test_a_station_of_ones_own_is_let_in_while_the_broker_runs(house: House, token: str) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed")
    before = _live(house.hub)
    *first, link, telemetry = house.lines
    for line in first:
        house.terminal.type(line)
    # run.sh looks every two seconds, and the gateway for new stations as often.
    house.terminal.until(f"{link} && echo sent", "sent", 15)

    def seen() -> bool:
        house.terminal.type(telemetry)
        state = house.hub.ask("GET", f"/api/v1/devices/{OWN}/swap_cabinet/1", Authorization=token)
        return "31.5" in str(state.body)

    eventually(seen, 20, every_s=0.5, saying="the cabinet's state")
    assert before <= _live(house.hub), "nobody else was cut off"


def test_passwords_stand_hashed_and_closed_to_others(house: House) -> None:
    folder = Path(house.hub.settings["WAYSTATION_VAR_DIR"]) / "mosquitto"
    for file in (folder / "hub.passwords", folder / "stations.passwords"):
        assert file.stat().st_mode & 0o077 == 0
        assert file.stat().st_size > 0
        assert all(line.split(":")[1].startswith("$7$") for line in file.read_text("ascii").splitlines())
    assert "Traceback" not in house.hub.said


def test_a_hub_that_was_started_first_says_what_it_waits_for(tmp_path: Path) -> None:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed")
    hub_port, station_port = free_port(), free_port()
    settings = new_settings(tmp_path / "var", stations=0) | {
        "WAYSTATION_BROKER": "mosquitto",
        "WAYSTATION_MQTT_PORT": str(hub_port),
        "WAYSTATION_MQTT_TLS_PORT": str(station_port),
    }
    refused = command(settings, "up")
    assert refused.returncode == 2
    assert "`./waystation credential mosquitto`" in refused.stderr

    assert command(settings, "db", "init").returncode == 0
    assert command(settings, "credential", "mosquitto").returncode == 0
    hub = Running(settings, tmp_path)
    try:
        words = f"waiting for the mosquitto broker on port {hub_port} of 127.0.0.1"
        eventually(lambda: words in hub.said, 30, every_s=0.1, saying=words)
        with shell(settings) as broker:
            broker.start(str(tmp_path / "var/mosquitto/run.sh"))
            hub.wait_until_up()
            assert hub.stop(timeout_s=30) == 0
    finally:
        hub.close()
