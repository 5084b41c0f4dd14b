"""One command starts everything, a newcomer can use it, and nothing is left when it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from runtime.settings import TREE
from tests.e2e.running import Answer, Running, command, environment, new_settings, processes_of, running
from tests.postgresql import PostgresqlServer
from tests.runtime.test_broker import self_signed
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CABINET = "331002-0001"
OWN = "331002-9001"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One hub, on either database, for the tests that do not stop it."""
    folder = tmp_path_factory.mktemp("hub")
    settings = new_settings(folder / "var")
    with contextlib.ExitStack() as opened:
        if request.param == "postgresql":
            server: PostgresqlServer = request.getfixturevalue("postgresql_server")
            settings["WAYSTATION_DATABASE_URL"] = opened.enter_context(server.database())
        yield opened.enter_context(running(settings, folder))


def station(hub: Running, id_: str) -> dict[str, Any]:
    answer = hub.ask("GET", f"/api/v1/stations/{id_}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.body
    return found


def staff_token(hub: Running) -> str:
    made = command(
        hub.settings, "token", "create", "--name", "test", "--area", "33", "--days", "1",
        "--scope", "alerts:read", "--scope", "devices:read", "--scope", "history:read",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return f"Bearer {made.stdout.splitlines()[0]}"


def with_live_seats(hub: Running) -> list[dict[str, Any]]:
    return [
        one
        for one in hub.stations()
        if one["availability"]["basis"] == "live" and one["availability"]["seats"]["level"] != "unknown"
    ]


def test_stations_with_seats_that_sensors_see_are_shown_soon(hub: Running) -> None:
    shown = eventually(lambda: with_live_seats(hub), 20, saying="stations with live seats")

    assert all(one["equipped"] for one in shown)
    assert len([one for one in hub.stations() if one["id"] != OWN]) == 12


def test_the_door_of_the_shown_line_opens(hub: Running) -> None:
    door = hub.find(r"/api/v1/doors/(\w+)/unlock")
    token = hub.find(r"Authorization: (Bearer ws_[\w-]+)")

    def unlocked() -> list[Answer]:
        # Soon after the start its lock may not have spoken yet.
        key = os.urandom(8).hex()
        answer = hub.ask(
            "POST", f"/api/v1/doors/{door}/unlock", Authorization=token, Idempotency_Key=f"test-{key}"
        )
        return [answer] if answer.status == 202 else []

    (asked,) = eventually(unlocked, 20, every_s=0.5, saying="the door takes the request")

    def bolt_moved() -> bool:
        answer = hub.ask("GET", f"/api/v1/commands/{asked.body['command']}", Authorization=token)
        assert answer.status == 200, answer
        assert answer.body["state"] not in ("failed", "rejected", "no_answer", "expired"), answer.body
        return "done" in [step["state"] for step in answer.body["steps"]]

    eventually(bolt_moved, 10, saying="the bolt moves")


def test_a_broken_cabinet_raises_an_alert_and_gives_out_no_battery_from_the_hot_slot(hub: Running) -> None:
    eventually(lambda: station(hub, CABINET)["availability"]["basis"] == "live", 20)
    token = staff_token(hub)
    before = station(hub, CABINET)["availability"]["version"]

    broken = command(hub.settings, "sim", "fault", CABINET, "swap_cabinet/1", "overheat", "--slot", "3")
    assert broken.returncode == 0, broken.stderr

    def alerts() -> list[dict[str, Any]]:
        answer = hub.ask("GET", f"/api/v1/alerts?state=open&station={CABINET}", Authorization=token)
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.body["items"]
        return found

    (alert, *_) = eventually(alerts, 60, every_s=0.5, saying="an alert about the cabinet")
    assert "3" in str(alert)
    eventually(lambda: station(hub, CABINET)["availability"]["version"] > before, 30)
    assert command(hub.settings, "sim", "heal", CABINET).returncode == 0


def test_a_message_typed_by_hand_becomes_state_and_history(hub: Running) -> None:
    added = command(hub.settings, "station", "add", OWN, "--name", "我的驿站", "--device", "swap_cabinet/1")
    assert added.returncode == 0, added.stderr
    token = staff_token(hub)
    topic = f"ws/331002/{OWN}/bulk/swap_cabinet/1/telemetry"
    payload = '{"v":1,"ts":null,"boot":"hand1","seq":%d,"slots":[{"n":3,"state":"full","temp_c":31.5}]}'
    numbers = iter(range(1, 100))

    def known() -> list[Any]:
        # The gateway takes a new station within a second or two; a message before that is put aside.
        sent = command(hub.settings, "station", "say", topic, payload % next(numbers))
        assert sent.returncode == 0, sent.stderr
        answer = hub.ask(
            "GET", f"/api/v1/history/{OWN}/swap_cabinet/1?metric=temp_c&part=3", Authorization=token
        )
        points: list[Any] = answer.body["points"] if answer.status == 200 else []
        return points

    points = eventually(known, 30, every_s=0.5, saying="history of the cabinet")
    assert points[0][1] == 31.5
    state = hub.ask("GET", f"/api/v1/devices/{OWN}/swap_cabinet/1", Authorization=token)
    assert "31.5" in str(state.body)


def test_the_staff_link_signs_in_once(hub: Running) -> None:
    link = hub.find(r"(http://\S+/sign-in\?t=\S+)")

    def press() -> int:
        with httpx2.Client(base_url=link.partition("/sign-in")[0], timeout=10) as browser:
            page = browser.get(link)
            assert page.status_code == 200
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
            return browser.post("/sign-in", data=fields).status_code

    assert press() == 303
    assert press() == 403


def test_a_second_hub_with_the_same_folder_is_refused_in_one_sentence(hub: Running) -> None:
    second = command(hub.settings, "up")

    assert second.returncode == 2
    assert second.stderr.startswith("Waystation runs already with ")
    assert str(hub.process.pid) in second.stderr or "process" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["WAYSTATION_API_PORT", "WAYSTATION_MQTT_PORT", "WAYSTATION_NATS_PORT"])
def test_a_taken_port_is_one_sentence(tmp_path: Path, name: str) -> None:
    settings = new_settings(tmp_path / "var")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(settings[name])))
        other.listen()
        ended = command(settings, "up")

    assert ended.returncode == 2
    sentences = [line for line in ended.stderr.splitlines() if "Port " in line]
    assert len(sentences) == 1
    assert name in sentences[0]
    assert "Traceback" not in ended.stdout + ended.stderr
    assert processes_of(settings["WAYSTATION_VAR_DIR"]) == []


def test_ctrl_c_with_a_live_page_open_leaves_nothing_and_the_next_start_goes_on(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "var", stations=3)
    with running(settings, tmp_path) as first:
        door = first.find(r"/api/v1/doors/(\w+)/unlock")
        token = first.find(r"Bearer (ws_[\w-]+)")
        with urllib.request.urlopen(
            f"http://127.0.0.1:{settings['WAYSTATION_API_PORT']}/api/v1/live", timeout=20
        ) as live:
            assert live.readline()
            assert first.stop(signal.SIGINT) == 0
        assert first.processes() == []
        assert "Traceback" not in first.said
    with running(settings, tmp_path) as second:
        assert second.find(r"/api/v1/doors/(\w+)/unlock") == door
        assert second.find(r"Bearer (ws_[\w-]+)") == token
        assert len(second.stations()) == 3
        assert "stations added" not in second.said


def test_beyond_this_machine_stations_speak_tls(tmp_path: Path) -> None:
    tls = self_signed(tmp_path)
    settings = new_settings(tmp_path / "var", stations=3) | {
        "WAYSTATION_MQTT_BIND": "0.0.0.0",
        "WAYSTATION_MQTT_CERTIFICATE": str(tls.certificate),
        "WAYSTATION_MQTT_KEY": str(tls.key),
    }
    with running(settings, tmp_path) as hub:
        eventually(lambda: with_live_seats(hub), 20, saying="stations with live seats")
        topic = "ws/331002/331002-0001/quick/station/0/link"
        assert command(settings, "station", "say", topic, "{}").returncode == 0

    settings["WAYSTATION_MQTT_KEY"] = str(tmp_path / "none.pem")
    refused = command(settings, "up")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "WAYSTATION_MQTT_KEY" in refused.stderr


def test_a_killed_hub_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "var", stations=0)
    with running(settings, tmp_path) as hub:
        hub.process.kill()
        hub.process.wait()
        eventually(lambda: hub.processes() == [], 20, every_s=0.2, saying="everything ends")


def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "var", stations=0)
    with running(settings, tmp_path) as hub:
        (line,) = [line for line in hub.processes() if " api " in line]
        os.kill(int(line.split()[0]), signal.SIGKILL)
        eventually(lambda: "The api was killed by signal 9" in hub.said, 10)

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return hub.ask("GET", "/healthz").status == 200
            return False

        eventually(answers, 30, every_s=0.2, saying="the API answers again")


def test_a_gateway_that_lost_its_shard_is_left_alone(tmp_path: Path) -> None:
    settings = new_settings(tmp_path / "var", stations=0)
    with running(settings, tmp_path) as hub:
        other = subprocess.Popen(
            [str(TREE / "waystation"), "gateway"],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: "Another gateway has taken over" in hub.said, 30, every_s=0.2)
            assert other.poll() is None
        finally:
            other.terminate()
            other.wait(20)
