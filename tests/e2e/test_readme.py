"""What the README tells a newcomer to type does what the README says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

import pytest

from runtime.settings import TREE
from tests.e2e.running import Running, new_settings, running
from tests.e2e.shell import shell, typed_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

README = (TREE / "README.md").read_text(encoding="utf-8")
OWN_DEVICE = README.partition("## Connect your own device in five minutes")[2].partition("\n## ")[0]
PAHO, MOSQUITTO = "paho", "mosquitto_pub"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    with running(new_settings(folder / "var", stations=0), folder) as started:
        yield started


def lines_for(settings: Mapping[str, str], client: str, station: str) -> list[str]:
    """What there is to type for this hub's ports, with one of the two clients."""
    instead = {
        "8683": settings["WAYSTATION_MQTT_PORT"],
        "8600": settings["WAYSTATION_API_PORT"],
        "331002-9001": station,
    }
    other = PAHO if client == MOSQUITTO else MOSQUITTO
    return [line for line in typed_lines(OWN_DEVICE, **instead) if other not in line]


@pytest.mark.parametrize(("client", "station"), [(PAHO, "331002-9001"), (MOSQUITTO, "331002-9002")])
def test_a_stranger_connects_a_device_by_hand(hub: Running, client: str, station: str) -> None:
    if client == MOSQUITTO and shutil.which(MOSQUITTO) is None:
        pytest.skip("mosquitto_pub is not installed")
    with shell(hub.settings) as terminal:
        for line in lines_for(hub.settings, client, station):
            if line.startswith("get devices"):
                terminal.until(line, "31.5", 10)
            elif line.startswith("get 'history"):
                terminal.until(line, "31.5", 1)
            elif line.startswith("get 'alerts"):
                terminal.until(line, "battery_overheat", 30)
            elif line.startswith("./waystation quarantine"):
                terminal.until(line, "slots.0.temp_c", 10)
            else:
                terminal.type(line)
