"""The kit's own broker shows what others hide: CONNECT, QoS, retain; and it cuts the line."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from conform.door import Door
from conform.examination import at_the_door
from conform.sitter import Sitter
from conform.sitting import Sitting
from device_sim.fleet import Fleet
from device_sim.line import BrokerAddress, Line, LineEvents, Login, StationLine
from device_sim.station_plan import StationPlan
from runtime.clock import WallClock
from tests.conform.bench import KEY, STRANGE_KEY
from tests.device_sim.stand_in import plan
from tests.transport.test_tls import self_signed
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

STATION = "331002-0001"
BRANCH = f"ws/331002/{STATION}"
LINK, TELEMETRY = f"{BRANCH}/quick/station/0/link", f"{BRANCH}/bulk/occupancy_sensor/1/telemetry"
WILL = b'{"v":1,"online":false,"boot":"b1","conn":1}'
PASSWORD = "right"


class Examined:
    """A sitting at a door, in a thread of its own."""

    def __init__(self, seconds: float, tls: ssl.SSLContext | None = None, **more: Any) -> None:
        clock = WallClock()
        self.said: list[str] = []
        self.door = Door("127.0.0.1", 0, f"{BRANCH}/down/", lambda password: password == PASSWORD, clock, tls)
        self.sitting = Sitting(
            Sitter(
                adcode="331002",
                station=STATION,
                key=KEY,
                strange_key=STRANGE_KEY,
                word=lambda: secrets.token_hex(8),
                seconds=seconds,
                **more,
            )
        )
        self._thread = threading.Thread(
            target=at_the_door, args=(self.sitting, self.door, clock, self.said.append), daemon=True
        )
        self._thread.start()

    def end(self, timeout_s: float = 60.0) -> dict[str, str]:
        """Outcomes by check, when it is over."""
        self._thread.join(timeout_s)
        assert self.sitting.over
        return {one.id: one.outcome for one in self.sitting.verdicts()}

    def close(self) -> None:
        self._thread.join(60.0)
        self.door.close()


Examine = Callable[..., Examined]


@pytest.fixture
def examine() -> Iterator[Examine]:
    begun: list[Examined] = []

    def make(seconds: float, **more: Any) -> Examined:
        begun.append(Examined(seconds, **more))
        return begun[-1]

    yield make
    for one in begun:
        one.close()


def broken(outcomes: dict[str, str]) -> set[str]:
    return {check for check, outcome in outcomes.items() if outcome == "broken"}


def board(**options: Any) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "board-1", **options)
    client.username_pw_set("station", PASSWORD)
    return client


WRONG: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "nothing": ("", {}, {}, {}),
    "publishes at QoS 0": ("publish.qos", {}, {}, {"qos": 0}),
    "publishes at QoS 2": ("publish.qos", {}, {}, {"qos": 2}),
    "retains": ("publish.retained", {}, {}, {"retain": True}),
    "keeps its session": ("connect.clean", {"clean_session": False}, {}, {}),
    "leaves a will at QoS 0": ("link.will", {}, {"qos": 0}, {}),
    "leaves a will that is retained": ("link.will", {}, {"retain": True}, {}),
    "leaves its will elsewhere": ("link.will", {}, {"topic": TELEMETRY}, {}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_raw_line_shows_is_found(examine: Examine, wrong: str) -> None:
    check, options, will, how = WRONG[wrong]
    seen = examine(2.5)
    client = board(**options)
    left: dict[str, Any] = {"topic": LINK, "payload": WILL, "qos": 1} | will
    client.will_set(**left)
    client.connect("127.0.0.1", seen.door.port)
    client.loop_start()
    try:
        client.subscribe(f"{BRANCH}/down/+/+/+", 0)
        client.publish(LINK, json.dumps({"v": 1, "online": True, "boot": "b1", "conn": 1}), qos=1)
        body = json.dumps({"v": 1, "ts": None, "boot": "b1", "seq": 1, "presence": True})
        client.publish(TELEMETRY, body, **({"qos": 1} | how)).wait_for_publish(5)
        outcomes = seen.end()
    finally:
        client.disconnect()
        client.loop_stop()

    # Two seconds and a half are too short for a second link.
    assert broken(outcomes) - {"link.again"} == ({check} if check else set())


def test_nobody_gets_in_with_another_password_and_no_filter_of_others_is_granted(examine: Examine) -> None:
    seen = examine(4.0)
    stranger = mqtt.Client(CallbackAPIVersion.VERSION2, "stranger")
    stranger.username_pw_set("station", "wrong")
    refused, granted = threading.Event(), list[bool]()
    stranger.on_connect = lambda _c, _u, _f, code, _p: refused.set() if code.is_failure else None
    stranger.connect("127.0.0.1", seen.door.port)
    stranger.loop_start()
    curious = board()
    curious.on_subscribe = lambda _c, _u, _m, codes, _p: granted.extend(not one.is_failure for one in codes)
    curious.connect("127.0.0.1", seen.door.port)
    curious.loop_start()
    try:
        assert refused.wait(5)
        eventually(curious.is_connected)
        curious.subscribe([(f"{BRANCH}/down/+/+/+", 0), ("ws/331002/331002-0002/down/+/+/+", 0)])
        eventually(lambda: len(granted) == 2)
    finally:
        for client in (stranger, curious):
            client.disconnect()
            client.loop_stop()

    assert granted == [True, False]
    assert any("password" in line for line in seen.said)


def test_a_board_that_speaks_tls_is_heard_and_one_that_does_not_is_told_of(
    examine: Examine, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    seen = examine(3.0, tls=context)
    with socket.create_connection(("127.0.0.1", seen.door.port), 5) as plain:
        plain.sendall(b"\x10\x10 not a handshake")
        with contextlib.suppress(ConnectionResetError):
            plain.recv(64)
    client = board()
    client.tls_set(str(certificate))
    client.connect("127.0.0.1", seen.door.port)
    client.loop_start()
    try:
        body = json.dumps({"v": 1, "ts": None, "boot": "b1", "seq": 1, "presence": True})
        client.publish(TELEMETRY, body, qos=1).wait_for_publish(5)
        outcomes = seen.end()
    finally:
        client.disconnect()
        client.loop_stop()

    assert outcomes["envelope.shape"] == "kept"
    assert any("TLS" in line for line in seen.said)


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", b"\x10\x02\x00\x04", b"\x30\x02ab"]
)
def test_rubbish_on_the_port_ends_that_connection_and_nothing_else(examine: Examine, rubbish: bytes) -> None:
    seen = examine(2.0)
    with socket.create_connection(("127.0.0.1", seen.door.port), 5) as sock:
        sock.sendall(rubbish)
        assert sock.recv(1) == b""

    assert "report.period" in broken(seen.end())


def test_a_simulated_station_keeps_the_contract_over_a_real_line(examine: Examine) -> None:
    seen = examine(18.5)
    loop, one = MqttLoop("sim"), plan("occupancy_sensor", visits_per_day=0)

    def open_line(of: StationPlan, events: LineEvents) -> Line:
        broker = BrokerAddress("127.0.0.1", seen.door.port)
        return StationLine(loop, broker, Login("sim-1", "station", PASSWORD), of.adcode, of.id, events)

    fleet = Fleet([one], clock=WallClock(), open_line=open_line, verify_keys={KEY.kid: KEY.verify_key})
    loop.start()
    fleet.start(loop)
    try:
        outcomes = seen.end()
    finally:
        fleet.stop()
        loop.stop()

    assert broken(outcomes) == set()
    kept = {check for check, outcome in outcomes.items() if outcome == "kept"}
    assert kept >= {
        "connect.clean",
        "subscribe.down",
        "link.again",
        "link.rest",
        "link.will",
        "low.moves",
    }
