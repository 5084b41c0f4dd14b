"""The real broker delivers to and from whom it should, and to nobody else; judged by what arrives."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.broker import Broker, BrokerFailed, reload_broker
from runtime.secrets import load_or_create_secrets
from signing.keys import SigningKey
from signing.station_credential import issue_station, role_permissions, user_jwt
from tests.runtime.listener import Connect, Delivered, Listener, RunningBroker, free_port
from tests.waiting import eventually

pytestmark = pytest.mark.integration

ADCODE = "331002"
ALICE, BOB = "331002-0001", "331002-0002"
ALICES_DOOR, BOBS_DOOR = DeviceId(ALICE, "door_lock", 1), DeviceId(BOB, "door_lock", 1)

RUN = (
    "import sys; from pathlib import Path; from runtime.broker import run_broker; "
    "run_broker(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))"
)


def station(running: RunningBroker, name: str = ALICE) -> str:
    return running.secrets.issue_station(ADCODE, name, time.time_ns() // 1_000_000)


def gateway(running: RunningBroker, connect: Connect) -> Listener:
    """A listener with the gateway's rights, on both lanes, with a session of its own."""
    client = connect(running.port, running.secrets.broker_passwords["gateway"])
    assert client.welcome
    assert client.subscribe(topics.QUICK_FILTER, qos=1)
    assert client.subscribe(topics.BULK_FILTER, qos=1)
    assert client.subscribe(topics.COMMAND_HINTS)
    return client


def test_a_station_reaches_the_gateway_on_both_lanes(running: RunningBroker, connect: Connect) -> None:
    hub, alice = gateway(running, connect), connect(running.port, station(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"event")
    alice.publish(topics.reply(ADCODE, ALICES_DOOR), b"reply")
    alice.publish(topics.link(ADCODE, edge_box(ALICE)), b"link")
    alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"telemetry")
    eventually(lambda: len(hub.delivered) == 4)
    assert set(hub.payloads) == {b"event", b"reply", b"link", b"telemetry"}


def test_the_gateway_reaches_the_right_station_only(running: RunningBroker, connect: Connect) -> None:
    hub = gateway(running, connect)
    alice, bob = (connect(running.port, station(running, name)) for name in (ALICE, BOB))
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    assert bob.subscribe(topics.down_filter(ADCODE, BOB))
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    hub.publish(topics.command(ADCODE, ALICES_DOOR), b"for alice")
    hub.publish(topics.ack(ADCODE, edge_box(BOB)), b"ack for bob")
    eventually(lambda: len(bob.delivered) == 2)
    eventually(lambda: alice.delivered)
    assert alice.payloads == [b"for alice"]
    assert bob.payloads == [b"for bob", b"ack for bob"]


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize(
    "topic",
    [
        topics.telemetry(ADCODE, BOBS_DOOR),
        topics.event(ADCODE, BOBS_DOOR),
        topics.link(ADCODE, edge_box(BOB)),
        topics.telemetry("330106", ALICES_DOOR),
        topics.command(ADCODE, BOBS_DOOR),
        topics.command(ADCODE, ALICES_DOOR),
        topics.command_hint(ADCODE),
        topics.change_hint(ADCODE),
        topics.QUICK_MARKER,
        topics.BULK_MARKER,
        "$JS/API/STREAM/NAMES",
        "$MQTT/msgs/ws/331002/331002-0002/bulk/door_lock/1/telemetry",
    ],
)
def test_what_a_station_says_elsewhere_is_not_delivered(
    running: RunningBroker, connect: Connect, topic: str, retain: bool, qos: int
) -> None:
    hub, alice, bob = (
        gateway(running, connect),
        *(connect(running.port, station(running, n)) for n in (ALICE, BOB)),
    )
    api = connect(running.port, running.secrets.broker_passwords["api"])
    assert api.subscribe(topics.CHANGE_HINTS)
    assert bob.subscribe(topics.down_filter(ADCODE, BOB))
    alice.publish(topic, b"forged", retain=retain, qos=qos)
    for own in (topics.event(ADCODE, ALICES_DOOR), topics.telemetry(ADCODE, ALICES_DOOR)):
        alice.publish(own, b"true")
    eventually(lambda: len(hub.delivered) >= 2)
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"after")
    hub.publish(topics.change_hint(ADCODE), b"after")
    eventually(lambda: bob.delivered and api.delivered)
    assert set(hub.payloads) == {b"true"}
    assert set(bob.payloads) == set(api.payloads) == {b"after"}


@pytest.mark.parametrize(
    "topic_filter",
    [
        topics.down_filter(ADCODE, BOB),
        topics.command(ADCODE, BOBS_DOOR),
        topics.QUICK_FILTER,
        topics.BULK_FILTER,
        "ws/331002/+/down/+/+/+",
        "ws/+/331002-0002/#",
        "#",
        "+/+/+/+/+/+/+",
        "hub/#",
        "$MQTT/#",
        "$SYS/#",
    ],
)
@pytest.mark.parametrize("qos", [0, 1])
def test_what_a_station_asks_for_elsewhere_is_not_delivered(
    running: RunningBroker, connect: Connect, topic_filter: str, qos: int
) -> None:
    hub, bob = gateway(running, connect), connect(running.port, station(running, BOB))
    alice = connect(running.port, station(running))
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    alice.subscribe(topic_filter, qos)
    bob.publish(topics.telemetry(ADCODE, BOBS_DOOR), b"bob's")
    bob.publish(topics.event(ADCODE, BOBS_DOOR), b"bob's")
    eventually(lambda: len(hub.delivered) >= 2)
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    hub.publish(topics.change_hint(ADCODE), b"hint")
    hub.publish(topics.command(ADCODE, ALICES_DOOR), b"for alice")
    eventually(lambda: alice.delivered)
    assert alice.payloads == [b"for alice"]


def test_a_retained_message_stays_on_its_own_branch(running: RunningBroker, connect: Connect) -> None:
    alice = connect(running.port, station(running))
    alice.publish(topics.telemetry(ADCODE, BOBS_DOOR), b"forged", retain=True)
    alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"own", retain=True)
    try:
        late = gateway(running, connect)
        eventually(lambda: late.delivered, saying="the retained message of the own branch")
        assert late.delivered == [Delivered(topics.telemetry(ADCODE, ALICES_DOOR), b"own", True)]
    finally:
        alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"", retain=True)


@pytest.mark.parametrize("retain", [False, True])
def test_a_will_for_another_station_is_not_delivered(
    running: RunningBroker, connect: Connect, retain: bool
) -> None:
    hub = gateway(running, connect)
    true, forged = (
        topics.link(ADCODE, edge_box(ALICE)),
        topics.link(ADCODE, DeviceId(BOB, "station", int(retain))),
    )
    liar = connect(running.port, station(running), will=(forged, b"forged", retain))
    honest = connect(running.port, station(running), will=(true, b"gone", False))
    if liar.welcome:
        liar.break_off()
        refused = f'Subject "{forged.replace("/", ".")}"'
        eventually(lambda: refused in running.broker.files.log.read_text(), saying="a refusal in the log")
    honest.break_off()
    eventually(lambda: hub.delivered)
    assert hub.delivered == [Delivered(true, b"gone", False)]


def test_markers_of_the_hub_pass_both_lanes(running: RunningBroker, connect: Connect) -> None:
    hub = gateway(running, connect)
    hub.publish(topics.QUICK_MARKER, b"quick")
    hub.publish(topics.BULK_MARKER, b"bulk")
    eventually(lambda: set(hub.payloads) == {b"quick", b"bulk"})


def test_the_api_hints_at_commands_and_can_command_nothing(running: RunningBroker, connect: Connect) -> None:
    hub, alice = gateway(running, connect), connect(running.port, station(running))
    api = connect(running.port, running.secrets.broker_passwords["api"])
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    assert api.subscribe(topics.CHANGE_HINTS)
    assert not api.subscribe(topics.QUICK_FILTER)
    api.publish(topics.command(ADCODE, ALICES_DOOR), b"forged")
    api.publish(topics.event(ADCODE, ALICES_DOOR), b"forged")
    api.publish(topics.change_hint(ADCODE), b"forged")
    api.publish(topics.command_hint(ADCODE), b"look")
    eventually(lambda: hub.delivered)
    hub.publish(topics.change_hint(ADCODE), b"changed")
    hub.publish(topics.command(ADCODE, ALICES_DOOR), b"open")
    eventually(lambda: api.delivered and alice.delivered)
    assert (hub.payloads, api.payloads, alice.payloads) == ([b"look"], [b"changed"], [b"open"])


def test_the_courier_only_listens(running: RunningBroker, connect: Connect) -> None:
    hub, courier = (
        gateway(running, connect),
        connect(running.port, running.secrets.broker_passwords["courier"]),
    )
    assert courier.subscribe(topics.CHANGE_HINTS)
    courier.publish(topics.change_hint(ADCODE), b"forged")
    courier.publish(topics.command_hint(ADCODE), b"forged")
    hub.publish(topics.change_hint(ADCODE), b"changed")
    eventually(lambda: courier.delivered)
    assert (courier.payloads, hub.payloads) == ([b"changed"], [])


def test_a_gateway_session_keeps_messages_while_it_is_away(running: RunningBroker, connect: Connect) -> None:
    ids, password = running.secrets.client_ids, running.secrets.broker_passwords["gateway"]
    lanes = {ids.quick: topics.QUICK_FILTER, ids.bulk: topics.BULK_FILTER}
    for client_id, lane in lanes.items():
        first = connect(running.port, password, client_id, persistent=True)
        assert first.subscribe(lane, qos=1)
        first.close()
    alice = connect(running.port, station(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"quick")
    alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"bulk")
    for (client_id, lane), payload in zip(lanes.items(), (b"quick", b"bulk"), strict=True):
        again = connect(running.port, password, client_id, persistent=True)
        assert again.session_present
        assert again.subscribe(lane, qos=1)
        eventually(lambda again=again: again.delivered)  # type: ignore[misc]
        assert again.payloads == [payload]


def test_a_neighbour_with_my_client_id_hears_nothing_of_mine(
    running: RunningBroker, connect: Connect
) -> None:
    hub = gateway(running, connect)
    alice = connect(running.port, station(running), "alice")
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    bob = connect(running.port, station(running, BOB), "alice", persistent=True)
    assert bob.subscribe(topics.down_filter(ADCODE, BOB))
    hub.publish(topics.command(ADCODE, ALICES_DOOR), b"for alice")
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    eventually(lambda: bob.delivered)
    assert bob.payloads == [b"for bob"]


def test_nobody_gets_in_without_a_credential_of_this_hub(running: RunningBroker, connect: Connect) -> None:
    stranger = SigningKey(b"s" * 32)
    now_ms = time.time_ns() // 1_000_000
    own = station(running)
    forged = own[:-4] + ("AAAA" if not own.endswith("AAAA") else "BBBB")
    foreign = issue_station(stranger, ADCODE, ALICE, now_ms)
    gateway_of_another = user_jwt(stranger, stranger.verify_key, "gateway", role_permissions("gateway"), 1)
    for password in (None, "", "change-me", "station", forged, foreign, gateway_of_another):
        assert not connect(running.port, password).welcome
    assert connect(running.port, own).welcome


def test_the_nats_port_takes_nobody(tmp_path: Path) -> None:
    port = free_port()
    secrets = load_or_create_secrets(tmp_path, time.time_ns() // 1_000_000)
    broker = Broker(tmp_path, free_port(), port, secrets=secrets)
    broker.start()
    try:
        for password in secrets.broker_passwords.values():
            with socket.create_connection(("127.0.0.1", port), 5) as line, line.makefile("rb") as heard:
                assert heard.readline().startswith(b"INFO")
                line.sendall(b'CONNECT {"jwt":"%s","verbose":false}\r\nPING\r\n' % password.encode())
                assert heard.readline().startswith(b"-ERR 'Authorization Violation'")
    finally:
        broker.stop()


def test_a_revoked_station_is_cut_off_and_let_in_with_a_new_credential(
    own_running: RunningBroker, connect: Connect
) -> None:
    running = own_running
    old, other = station(running), station(running, BOB)
    alice, bob, hub = connect(running.port, old), connect(running.port, other), gateway(running, connect)
    running.secrets.revoke_station(ADCODE, ALICE, time.time_ns() // 1_000_000)
    assert running.broker.reload()
    eventually(alice.lost.is_set)
    assert not connect(running.port, old).welcome
    assert not bob.lost.is_set()
    assert not hub.lost.is_set()
    fresh = connect(running.port, station(running))
    assert fresh.welcome
    fresh.publish(topics.event(ADCODE, ALICES_DOOR), b"back")
    eventually(lambda: hub.payloads == [b"back"])


def test_a_killed_broker_starts_again_on_its_data(own_running: RunningBroker, connect: Connect) -> None:
    running = own_running
    password, ids = running.secrets.broker_passwords["gateway"], running.secrets.client_ids
    first = connect(running.port, password, ids.bulk, persistent=True)
    assert first.subscribe(topics.BULK_FILTER, qos=1)
    first.close()
    alice = connect(running.port, station(running))
    alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"kept")
    alice.close()
    pid = running.broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert running.broker.wait(5)
    assert not running.broker.is_alive()
    running.broker.start()
    again = connect(running.port, password, ids.bulk, persistent=True)
    assert again.session_present
    assert again.subscribe(topics.BULK_FILTER, qos=1)
    eventually(lambda: again.delivered)
    assert again.payloads == [b"kept"]


def test_a_message_above_64_kib_closes_the_connection(running: RunningBroker, connect: Connect) -> None:
    alice = connect(running.port, station(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"x" * 60_000)
    alice.send(topics.event(ADCODE, ALICES_DOOR), b"x" * 70_000)
    eventually(alice.lost.is_set)


def test_a_qos_1_exchange_does_not_wait_for_a_delayed_acknowledgement(
    running: RunningBroker, connect: Connect
) -> None:
    alice = connect(running.port, station(running))
    took_s = [alice.exchange_s(topics.event(ADCODE, ALICES_DOOR)) for _ in range(30)]
    assert statistics.median(took_s) < 0.02


def test_what_the_broker_writes_is_for_its_owner_only(running: RunningBroker) -> None:
    folder = running.broker.files.folder
    assert folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077] == []


def test_ctrl_c_in_a_terminal_does_not_reach_the_broker(running: RunningBroker) -> None:
    pid = running.broker.pid
    assert pid is not None
    assert os.getpgid(pid) != os.getpgid(0)


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with pytest.raises(BrokerFailed, match=f"^Port {taken} on 127.0.0.1 .* WAYSTATION_MQTT_PORT"):
            Broker(tmp_path, taken, free_port()).start()
        with pytest.raises(BrokerFailed, match=f"^Port {taken} on 127.0.0.1 .* WAYSTATION_NATS_PORT"):
            Broker(tmp_path, free_port(), taken).start()


def test_a_listener_open_to_the_network_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerFailed, match="without TLS"):
        Broker(tmp_path, free_port(), free_port(), "0.0.0.0")


def test_a_second_broker_for_the_same_folder_is_refused(running: RunningBroker) -> None:
    second = Broker(running.broker.files.folder.parent, free_port(), free_port())
    with pytest.raises(BrokerFailed, match="Another Waystation runs the broker"):
        second.start()
    assert running.broker.is_alive()


def test_a_missing_program_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerFailed, match=r"nats-server is missing.*make setup"):
        Broker(tmp_path, free_port(), free_port()).start()


def test_reloading_without_a_broker_changes_nothing(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path, time.time_ns() // 1_000_000)
    assert not reload_broker(tmp_path, secrets)


def test_a_broker_that_a_killed_process_left_behind_is_replaced(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    parent = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), *map(str, ports)])
    try:
        eventually(lambda: _answers(ports[0]), 20)
    finally:
        parent.kill()
        parent.wait()
    assert _answers(ports[0])
    broker = Broker(tmp_path, *ports)
    broker.start()
    broker.stop()
    assert not _answers(ports[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_broker_command_ends_in_order_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    ports = (free_port(), free_port())
    parent = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), *map(str, ports)])
    try:
        eventually(lambda: _answers(ports[0]), 20)
        parent.send_signal(number)
        assert parent.wait(10) == 0
        assert not _answers(ports[0])
    finally:
        parent.kill()
        parent.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
