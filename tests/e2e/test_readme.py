"""What the README tells a newcomer to type does what the README says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from runtime.settings import TREE
from tests.e2e.running import Running, environment, new_settings, running
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

README = (TREE / "README.md").read_text(encoding="utf-8")
OWN_DEVICE = README.partition("## Connect your own device in five minutes")[2].partition("\n## ")[0]
PAHO, MOSQUITTO = "paho", "mosquitto_pub"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    with running(new_settings(folder / "var", stations=0), folder) as started:
        yield started


def typed_lines(settings: Mapping[str, str], client: str, station: str) -> list[str]:
    """The lines that begin with `$`, for this hub's ports, with one of the two clients."""
    text = OWN_DEVICE.replace("8683", settings["WAYSTATION_MQTT_PORT"])
    text = text.replace("8600", settings["WAYSTATION_API_PORT"]).replace("331002-9001", station)
    lines = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    other = PAHO if client == MOSQUITTO else MOSQUITTO
    return [line for line in lines if other not in line]


@pytest.mark.parametrize(("client", "station"), [(PAHO, "331002-9001"), (MOSQUITTO, "331002-9002")])
def test_a_stranger_connects_a_device_by_hand(hub: Running, client: str, station: str) -> None:
    if client == MOSQUITTO and shutil.which(MOSQUITTO) is None:
        pytest.skip("mosquitto_pub is not installed")
    lines = typed_lines(hub.settings, client, station)
    shell = subprocess.Popen(
        ["bash"],
        cwd=TREE,
        env=environment(hub.settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None

    def type_(line: str) -> str:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(f'{line}\necho "--end $?"\n')
        said = ""
        while not said.endswith("\n--end 0\n") and said != "--end 0\n":
            read = shell.stdout.readline()
            assert read, said
            assert not re.match(r"--end [1-9]", read), f"{line}\n{said}"
            said += read
        return said

    def until(line: str, expected: str, timeout_s: float) -> None:
        eventually(lambda: expected in type_(line), timeout_s, every_s=0.4, saying=f"{expected} from {line}")

    with shell:
        for line in lines:
            if line.startswith("get devices"):
                until(line, "31.5", 10)
            elif line.startswith("get 'history"):
                until(line, "31.5", 1)
            elif line.startswith("get 'alerts"):
                until(line, "battery_overheat", 30)
            elif line.startswith("./waystation quarantine"):
                until(line, "slots.0.temp_c", 10)
            else:
                type_(line)
        shell.stdin.close()
