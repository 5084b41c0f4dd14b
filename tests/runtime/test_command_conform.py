"""`waystation conform` over real lines: a small device from the documents, a broker of its own, the hub's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from domain import topics
from domain.ids import DeviceId
from runtime.settings import TREE
from tests.ports import free_port
from tests.runtime.command_line import run
from tests.runtime.listener import RunningBroker
from tests.waiting import eventually

pytestmark = pytest.mark.integration

STATION = "331002-9001"
PAGE = (TREE / "docs" / "connect-a-device.md").read_text(encoding="utf-8")
EXAMPLE = TREE / "docs" / "examples" / "first_device.py"
TELEMETRY = topics.telemetry("331002", DeviceId(STATION, "occupancy_sensor", 1))


class Kit:
    """`conform` as a process of its own; `stdout` is its JSON."""

    def __init__(self, var_dir: Path, *more: str) -> None:
        arguments = ["conform", "--station", STATION, "--json", *more]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WAYSTATION_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime", *arguments],
            cwd=TREE,
            env=kept | {"WAYSTATION_VAR_DIR": str(var_dir)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def find(self, pattern: str) -> str:
        """The first group of a pattern in what was said, as soon as it is said."""
        found = eventually(lambda: re.search(pattern, "".join(self.said), re.MULTILINE), 30.0, saying=pattern)
        assert found is not None
        return found[1]

    def end(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end: exit code and report."""
        assert self.process.stdout is not None
        text = self.process.stdout.read()
        code = self.process.wait(10)
        self._reader.join(5)
        return code, json.loads(text)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)


StartKit = Callable[..., Kit]
StartDevice = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_kit(tmp_path: Path) -> Iterator[StartKit]:
    kits: list[Kit] = []

    def start(*more: str) -> Kit:
        kits.append(Kit(tmp_path, "--listen", "--port", "0", *more))
        return kits[-1]

    yield start
    for kit in kits:
        kit.close()


@pytest.fixture
def first_device() -> Iterator[StartDevice]:
    """The example as a process, reporting every second."""
    started: list[subprocess.Popen[bytes]] = []

    def start(port: object, password: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(EXAMPLE), "127.0.0.1", str(port), STATION, password, "1"]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def outcomes(report: dict[str, Any], outcome: str) -> set[str]:
    return {one["id"] for one in report["checks"] if one["outcome"] == outcome}


def device(password: str | None, **options: Any) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "board-1", **options)
    client.username_pw_set("station", password)
    return client


@pytest.mark.timeout(120)
def test_the_first_device_of_the_documents_keeps_what_the_kit_can_see_of_it(
    start_kit: StartKit, first_device: StartDevice
) -> None:
    kit = start_kit("--seconds", "60", "--shut-s", "1", "--full-report-s", "12")
    first_device(kit.find(r"^port\s+(\d+)"), kit.find(r"^password\s+(\S+)"))
    code, report = kit.end()

    assert (code, outcomes(report, "broken"), report["passed"]) == (0, set(), True)
    assert outcomes(report, "kept") >= {
        "connect.clean", "subscribe.down", "topic.shape", "topic.own", "publish.qos", "publish.retained",
        "envelope.shape", "envelope.seq", "payload.fields", "link.first", "link.again", "link.rest",
        "link.conn", "link.will", "report.connect", "report.full",
    }  # fmt: skip
    assert outcomes(report, "not seen") >= {"again.missing", "command.nonce", "clock.plausible"}


def test_the_page_names_the_commands_that_this_test_types() -> None:
    typed = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)

    assert f"./waystation conform --station {STATION} --listen" in typed
    assert f'python3 docs/examples/first_device.py 127.0.0.1 8683 {STATION} "$password"' in typed


def test_every_option_that_the_page_names_is_one() -> None:
    options = set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--listen"}
    said = run(("conform", "--help"), {})

    assert options
    assert {one for one in options if one not in said.out} == set()


def test_the_example_is_short() -> None:
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.strip()]

    assert len(lines) <= 80


def test_ctrl_c_shows_what_was_seen(start_kit: StartKit, first_device: StartDevice) -> None:
    kit = start_kit()
    first_device(kit.find(r"^port\s+(\d+)"), kit.find(r"^password\s+(\S+)"))
    kit.find(r"(the line is cut)")
    kit.process.send_signal(signal.SIGINT)
    code, report = kit.end()

    assert code == 0
    assert "link.again" in outcomes(report, "kept")


def test_nobody_gets_in_without_a_credential_of_this_station(start_kit: StartKit, tmp_path: Path) -> None:
    kit = start_kit("--seconds", "5")
    port = int(kit.find(r"^port\s+(\d+)"))
    for password in ("wrong", other_station_s_password(tmp_path), None):
        answers: list[bool] = []
        client = device(password)
        client.on_connect = lambda _c, _u, _f, code, _p, answers=answers: answers.append(code.is_failure)
        client.connect("127.0.0.1", port)
        client.loop_start()
        try:
            eventually(lambda answers=answers: answers)  # type: ignore[misc]
        finally:
            client.loop_stop()
        assert answers[0]
    code, report = kit.end()

    assert (code, report["messages"]) == (1, 0)
    assert "not good for this station" in "".join(kit.said)


def other_station_s_password(var_dir: Path) -> str:
    from runtime.clock import WallClock
    from runtime.secrets import load_secrets

    return load_secrets(var_dir).issue_station("331002", "331002-9002", WallClock().now_ms())


def at_the_hub(running: RunningBroker, *more: str) -> tuple[str, ...]:
    return ("conform", "--station", STATION, "--json", *more)


def hub_settings(running: RunningBroker) -> dict[str, str]:
    folder = running.secrets.folder.parent
    return {"WAYSTATION_VAR_DIR": str(folder), "WAYSTATION_MQTT_PORT": str(running.port)}


def password_of(running: RunningBroker) -> str:
    from runtime.clock import WallClock

    return running.secrets.issue_station("331002", STATION, WallClock().now_ms())


def test_on_the_hubs_broker_a_device_is_examined_with_the_hubs_rights(
    running: RunningBroker, first_device: StartDevice
) -> None:
    first_device(running.port, password_of(running))
    said = run(at_the_hub(running, "--seconds", "14"), hub_settings(running))
    report = json.loads(said.out)

    assert outcomes(report, "broken") == set()
    assert outcomes(report, "kept") >= {"publish.qos", "publish.retained", "link.again", "envelope.seq"}
    assert "connect.clean" in outcomes(report, "not seen")


def test_what_the_hubs_broker_retains_is_found(running: RunningBroker) -> None:
    body = json.dumps({"v": 1, "ts": None, "boot": "b1", "seq": 1, "presence": True})
    client = device(password_of(running))
    client.connect("127.0.0.1", running.port)
    client.loop_start()
    client.publish(TELEMETRY, body, qos=1, retain=True).wait_for_publish(5)
    try:
        said = run(at_the_hub(running, "--seconds", "5"), hub_settings(running))
    finally:
        client.publish(TELEMETRY, b"", qos=1, retain=True).wait_for_publish(5)
        client.disconnect()
        client.loop_stop()

    assert said.code == 1
    assert "publish.retained" in outcomes(json.loads(said.out), "broken")


def test_where_a_gateway_runs_the_kit_does_not_play_a_second_hub(running: RunningBroker) -> None:
    client = device(running.secrets.broker_passwords["gateway"])
    client.connect("127.0.0.1", running.port)
    client.loop_start()
    ended = threading.Event()

    def mark() -> None:
        while not ended.wait(0.2):
            client.publish(topics.QUICK_MARKER, b"1", qos=1)

    marking = threading.Thread(target=mark)
    marking.start()
    try:
        said = run(at_the_hub(running, "--seconds", "20"), hub_settings(running))
    finally:
        ended.set()
        marking.join()
        client.disconnect()
        client.loop_stop()

    assert said.code == 1
    assert "A gateway runs on this broker" in said.err


def test_a_broker_that_does_not_answer_is_told_in_a_sentence(tmp_path: Path) -> None:
    settings = {"WAYSTATION_VAR_DIR": str(tmp_path), "WAYSTATION_MQTT_PORT": str(free_port())}
    said = run(("conform", "--station", STATION, "--seconds", "5"), settings)

    assert said.code == 2
    assert "does not let the kit in" in said.err


@pytest.mark.parametrize("station", ["ZJ", "331002", "331002-00/01"])
def test_a_station_that_can_be_none_is_refused(station: str, tmp_path: Path) -> None:
    said = run(("conform", "--station", station, "--listen"), {"WAYSTATION_VAR_DIR": str(tmp_path)})

    assert said.code == 2
    assert "is not a station" in said.err
