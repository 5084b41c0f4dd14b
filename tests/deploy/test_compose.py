"""`docker compose up`, for real: a door opens, a cabinet breaks, and nothing is open that need not be."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.deploy.hub_in_containers import HubInContainers, in_containers, service_of
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(900)]

CABINET = "331002-0001"
OWN = "331002-9001"
PARTS = ("broker", "gateway", "api", "courier", "sim")
INSIDE_PORTS = {"broker": "8883/tcp", "proxy": "8443/tcp", "grafana": "3000/tcp"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubInContainers]:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.skip("a whole hub of containers is started once: python -m pytest -m docker, without -n")
    with in_containers(tmp_path_factory.mktemp("hub")) as started:
        yield started


@pytest.fixture(scope="module")
def bearer(hub: HubInContainers) -> dict[str, str]:
    """The right to see everything and to open doors."""
    scopes = ("alerts:read", "devices:read", "history:read", "door:open")
    said = hub.waystation(
        "token", "create", "--name", "test", "--area", "33", *(f"--scope={one}" for one in scopes)
    )
    return {"Authorization": f"Bearer {said.splitlines()[0]}"}


def get(hub: HubInContainers, path: str, bearer: dict[str, str]) -> Any:
    with hub.client() as client:
        answer = client.get(path, headers=bearer)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


def test_a_door_opens_through_the_proxy(hub: HubInContainers, bearer: dict[str, str]) -> None:
    shown = re.findall(r"/d/(\w+)", hub.waystation("station", "show", "331002-0002"))
    assert shown, "the station has a door with a code"

    def asked() -> dict[str, Any]:
        with hub.client() as client:
            answer = client.post(
                f"/api/v1/doors/{shown[0]}/unlock",
                headers=bearer | {"Idempotency-Key": f"test-{os.urandom(8).hex()}"},
            )
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    command = eventually(asked, 60, every_s=1)["command"]

    def bolt_moved() -> bool:
        told = get(hub, f"/api/v1/commands/{command}", bearer)
        assert told["state"] not in ("failed", "rejected", "no_answer", "expired"), told
        return "done" in [step["state"] for step in told["steps"]]

    eventually(bolt_moved, 15, every_s=0.2, saying="the bolt moves")


def test_a_broken_cabinet_raises_an_alert_and_its_heat_becomes_history_in_influxdb(
    hub: HubInContainers, bearer: dict[str, str]
) -> None:
    hub.waystation("sim", "fault", CABINET, "swap_cabinet/1", "overheat", "--slot", "3", part="sim")

    def alerts() -> Any:
        return get(hub, f"/api/v1/alerts?state=open&station={CABINET}", bearer)["items"]

    found = eventually(alerts, 90, every_s=1, saying="an alert about the cabinet")
    assert "3" in str(found[0])
    place = f"/api/v1/history/{CABINET}/swap_cabinet/1?metric=temp_c&part=3"
    eventually(lambda: get(hub, place, bearer)["points"], 60, every_s=1, saying="points in InfluxDB")
    assert get(hub, f"/api/v1/devices/{CABINET}/swap_cabinet/1", bearer)
    hub.waystation("sim", "heal", CABINET, part="sim")


def test_prometheus_reads_the_hub_with_a_token_of_its_own(hub: HubInContainers) -> None:
    def targets() -> bool:
        address = "http://127.0.0.1:9090/api/v1/targets?state=active"
        said = hub.compose("exec", "-T", "prometheus", "wget", "-qO-", address)
        found = {one["labels"]["job"]: one for one in json.loads(said)["data"]["activeTargets"]}
        assert set(found) == {"waystation", "influxdb", "prometheus"}
        return all(one["health"] == "up" for one in found.values())

    eventually(targets, 60, every_s=1, saying="every target is up")


def test_nothing_runs_as_root_and_no_root_can_be_written(hub: HubInContainers) -> None:
    for container in hub.containers():
        service, host = service_of(container), container["HostConfig"]
        assert container["Config"]["User"].split(":")[0] not in ("", "0", "root"), service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert host["Memory"] > 0, service
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}, service
        if container["State"]["Running"]:
            listed = subprocess.run(
                ["docker", "top", container["Id"], "-o", "pid,uid,comm"],
                capture_output=True,
                text=True,
                check=True,
            )
            owners = {line.split()[1] for line in listed.stdout.splitlines()[1:]}
            assert owners, service
            assert owners.isdisjoint({"0", "root"}), f"{service}: {listed.stdout}"


@pytest.mark.parametrize(
    ("secret", "holders"),
    [
        ("commands.json", {"gateway"}),
        ("sessions.json", {"api"}),
        ("influx.json", {"api", "courier"}),
        ("account.key", {"broker", "sim"}),
        ("operator.key", {"broker"}),
    ],
)
def test_a_key_can_be_read_only_where_it_is_worked_with(
    hub: HubInContainers, secret: str, holders: set[str]
) -> None:
    code, held = hub.try_out(min(holders), "cat", f"/var/waystation/keys/{secret}")
    assert code == 0, held
    kept = min(re.findall(r"[\w+/=-]{40,}", held))

    found = {part for part in PARTS if can_find(hub, part, kept)}
    assert found == holders


def test_the_token_with_all_rights_is_not_with_those_who_work_every_day(hub: HubInContainers) -> None:
    token = (hub.secrets / "influx_token").read_text("ascii")

    assert can_find(hub, "influxdb", token), "where it is looked for it can be found"
    assert not [part for part in PARTS if can_find(hub, part, token)]


def can_find(hub: HubInContainers, part: str, text: str) -> bool:
    """True when whoever runs in this container finds the text in what it can read and change."""
    places = ("/var/waystation", "/run/secrets", "/tmp", "/proc/1/environ")
    code, said = hub.try_out(part, "grep", "-rsqF", "--", text, *places)
    # 2: some of it cannot be read, which is no finding.
    assert code in (0, 1, 2), said
    return code == 0


def test_what_needs_another_parts_key_says_so_in_one_sentence(hub: HubInContainers) -> None:
    code, said = hub.try_out("api", "./waystation", "credential", "issue", CABINET)

    assert code == 2
    assert said.strip() == (
        "The key account.key is not here but with another part of this hub: say this where that part runs."
    )


def test_only_the_documented_ports_are_open_and_to_this_machine_only(hub: HubInContainers) -> None:
    bound: dict[str, list[str]] = {}
    for container in hub.containers():
        for inside, outside in (container["NetworkSettings"]["Ports"] or {}).items():
            for one in outside or []:
                assert one["HostIp"] == "127.0.0.1", service_of(container)
                bound.setdefault(service_of(container), []).append(inside)

    assert bound == {name: [port] for name, port in INSIDE_PORTS.items() if name in bound}
    assert {"broker", "proxy"} <= set(bound)


def test_no_secret_can_be_read_from_the_engine_or_from_a_log(hub: HubInContainers) -> None:
    told = json.dumps(hub.containers()) + hub.compose("logs", "--no-color")

    for path in hub.secrets.iterdir():
        held = path.read_text("ascii").strip()
        words = [held.splitlines()[1]] if held.startswith("-----") else [held]
        if not path.name.endswith(".pem"):
            assert all(word not in told for word in words), path.name


def test_metrics_and_readiness_are_nobodys_business_outside(hub: HubInContainers) -> None:
    with hub.client() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
        for path in ("/metrics", "/readyz"):
            answer = client.get(path, headers={"X-Forwarded-For": "127.0.0.1"})
            assert answer.status_code == 404, path


def test_cookies_and_links_are_for_https(hub: HubInContainers) -> None:
    assert hub.waystation("token", "link").startswith(f"{hub.url}/sign-in?t=")


def test_a_station_of_ones_own_speaks_over_tls_and_nobody_else_does(
    hub: HubInContainers, bearer: dict[str, str]
) -> None:
    hub.waystation("station", "add", OWN, "--name", "我的驿站", "--device", "swap_cabinet/1")
    password = hub.waystation("credential", "issue", OWN, "--password-only").strip()
    topic = f"ws/331002/{OWN}/bulk/swap_cabinet/1/telemetry"
    payload = '{"v":1,"ts":null,"boot":"hand1","seq":%d,"slots":[{"n":3,"state":"full","temp_c":31.5}]}'

    assert connack(hub, "station", "wrong") != 0
    assert connack(hub, None, None) != 0
    numbers = iter(range(1, 1000))

    def known() -> bool:
        assert connack(hub, "station", password, topic, payload % next(numbers)) == 0
        with hub.client() as client:
            told = client.get(f"/api/v1/devices/{OWN}/swap_cabinet/1", headers=bearer)
        return told.status_code == 200 and "31.5" in told.text

    eventually(known, 30, every_s=0.5, saying="the station's message")


def connack(
    hub: HubInContainers, user: str | None, password: str | None, topic: str = "", payload: str = ""
) -> int:
    """The broker's answer to a connection over TLS; a message is sent when it is let in."""
    answers: list[int] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{os.urandom(4).hex()}")
    client.on_connect = lambda _c, _u, _f, code, _p: answers.append(code.value)
    client.tls_set_context(hub.tls)
    if user is not None:
        client.username_pw_set(user, password)
    client.connect("localhost", hub.mqtt_port, 30)
    client.loop_start()
    try:
        eventually(lambda: answers, 10, saying="the broker answers")
        if topic and answers[0] == 0:
            client.publish(topic, payload, qos=1).wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()
    return answers[0]


def test_the_broker_and_the_pages_speak_nothing_but_tls(hub: HubInContainers) -> None:
    plain = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
    for port, said in ((hub.mqtt_port, plain), (hub.https_port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")):
        with socket.create_connection(("127.0.0.1", port), 5) as line:
            line.settimeout(10)
            line.sendall(said)
            try:
                assert not line.recv(100).startswith((b"\x20", b"HTTP/1.1 200"))
            except ConnectionError:
                pass


def test_two_hundred_connections_that_drip_are_closed_while_others_are_served(hub: HubInContainers) -> None:
    dripping: list[ssl.SSLSocket] = []
    try:
        for _ in range(200):
            raw = socket.create_connection(("127.0.0.1", hub.https_port), 10)
            line = hub.tls.wrap_socket(raw, server_hostname="localhost")
            line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            line.settimeout(0.01)
            dripping.append(line)
        begun_s = time.monotonic()
        slowest_s = 0.0
        left = list(dripping)
        while left and time.monotonic() - begun_s < 30:
            with hub.client() as client:
                asked_s = time.monotonic()
                assert client.get("/healthz").status_code == 200
                slowest_s = max(slowest_s, time.monotonic() - asked_s)
            left = [line for line in left if still_open(line)]
        assert left == [], f"{len(left)} of 200 are still open"
        assert time.monotonic() - begun_s < 20
        assert slowest_s < 2
    finally:
        for line in dripping:
            line.close()


def still_open(line: ssl.SSLSocket) -> bool:
    """Send one more byte, as whoever drips does, and see whether somebody still listens."""
    try:
        line.sendall(b"a")
        return bool(line.recv(1000))
    except TimeoutError:
        return True
    except OSError:
        return False


def test_a_part_that_is_killed_is_back_and_well_by_itself(hub: HubInContainers) -> None:
    before = hub.state("gateway")
    # As the kernel does it; the engine's own kill would mean that it shall stay down.
    os.kill(before["Pid"], signal.SIGKILL)

    def back() -> bool:
        now = hub.state("gateway")
        return bool(now["RestartCount"] > before["RestartCount"] and now["Health"]["Status"] == "healthy")

    eventually(back, 90, every_s=1, saying="the gateway is well again")


def test_a_second_start_keeps_secrets_and_data_and_renews_only_the_token_of_prometheus(
    hub: HubInContainers, bearer: dict[str, str]
) -> None:
    before = hub.compose("exec", "-T", "prometheus", "cat", "/var/waystation-scrape/token")
    hub.compose("down", "-t", "20")
    hub.compose("up", "-d", "--no-build")
    eventually(hub.all_well, 180, every_s=1, saying="every container is healthy again")

    after = hub.compose("exec", "-T", "prometheus", "cat", "/var/waystation-scrape/token")
    assert re.fullmatch(r"ws_\S+\s*", after)
    assert after != before
    tokens = hub.waystation("token", "list")
    assert tokens.count("revoked") == 1
    assert get(hub, f"/api/v1/stations/{CABINET}", bearer)["id"] == CABINET
