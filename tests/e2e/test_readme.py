"""What the README tells a newcomer to type does what the README says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from runtime.settings import TREE
from tests.e2e.running import Running, command, new_settings, running
from tests.e2e.shell import Shell, shell, typed_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

README = (TREE / "README.md").read_text(encoding="utf-8")
OWN_DEVICE = README.partition("## Connect your own device in five minutes")[2].partition("\n## ")[0]
HERE, OVER_TLS = OWN_DEVICE.split("\n### ")
PAHO, MOSQUITTO = "paho", "mosquitto_pub"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    with running(new_settings(folder / "var", stations=0), folder) as started:
        yield started


@pytest.fixture(scope="module")
def open_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("open")
    settings = new_settings(folder / "var", stations=0)
    settings["WAYSTATION_MQTT_TLS_PORT"] = settings.pop("WAYSTATION_MQTT_PORT")
    with running(settings, folder, "--listen") as started:
        yield started


def lines_for(text: str, hub: Running, client: str, station: str) -> list[str]:
    """What there is to type for this hub's ports, with one of the two clients."""
    instead = {"8600": hub.settings["WAYSTATION_API_PORT"], "331002-9001": station}
    instead["var/"] = f"{hub.settings['WAYSTATION_VAR_DIR']}/"
    for shown, setting in (("8683", "WAYSTATION_MQTT_PORT"), ("8883", "WAYSTATION_MQTT_TLS_PORT")):
        if setting in hub.settings:
            instead[shown] = hub.settings[setting]
    other = PAHO if client == MOSQUITTO else MOSQUITTO
    return [line for line in typed_lines(text, **instead) if other not in line]


def type_all(hub: Running, lines: list[str]) -> None:
    """Type them, and look whether each shows what the README says."""
    try:
        with shell(hub.settings) as terminal:
            for line in lines:
                look(terminal, line)
    except AssertionError as failure:
        failure.add_note(hub.said + command(hub.settings, "quarantine", "list").stdout)
        raise


def look(terminal: Shell, line: str) -> None:
    """Type one line; those that ask are typed until the answer is there."""
    if line.startswith("get devices"):
        terminal.until(line, "31.5", 10)
    elif line.startswith("get 'history"):
        terminal.until(line, "31.5", 1)
    elif line.startswith("get 'alerts"):
        terminal.until(line, "battery_runaway", 10)
    elif line.startswith("./waystation quarantine"):
        terminal.until(line, "slots.0.temp_c", 10)
    elif line.startswith("say "):
        assert terminal.type(line) == "--end 0\n", "who speaks without a mistake is told nothing"
    else:
        terminal.type(line)


@pytest.mark.parametrize(("client", "station"), [(PAHO, "331002-9001"), (MOSQUITTO, "331002-9002")])
def test_a_stranger_connects_a_device_by_hand(hub: Running, client: str, station: str) -> None:
    if client == MOSQUITTO and shutil.which(MOSQUITTO) is None:
        pytest.skip("mosquitto_pub is not installed")
    type_all(hub, lines_for(HERE, hub, client, station))


@pytest.mark.parametrize(("client", "station"), [(PAHO, "331002-9001"), (MOSQUITTO, "331002-9002")])
def test_and_from_the_network_over_tls(open_hub: Running, client: str, station: str) -> None:
    if client == MOSQUITTO and shutil.which(MOSQUITTO) is None:
        pytest.skip("mosquitto_pub is not installed")
    printed = open_hub.find(r"host (\S+)  port")
    instead = [
        f"hub={printed}" if line.startswith("hub=") else line
        for line in lines_for(OVER_TLS, open_hub, client, station)
    ]
    lines = lines_for(HERE, open_hub, client, station)
    (at,) = [at for at, line in enumerate(lines) if line.startswith("say() {")]
    assert printed != "127.0.0.1"
    type_all(open_hub, [*lines[:at], *instead, *lines[at + 1 :]])
