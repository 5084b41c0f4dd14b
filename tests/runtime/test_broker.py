"""The broker's process: it starts, says in a sentence why it cannot, ends in order, survives a kill."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from domain import topics
from domain.ids import DeviceId
from runtime.broker import Broker, BrokerFailed, reload_broker
from runtime.broker_config import Tls
from runtime.secrets import load_or_create_secrets
from tests.ports import free_port
from tests.runtime.listener import (
    ADCODE,
    ALICE,
    BOB,
    Connect,
    RunningBroker,
    password_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.integration

ALICES_DOOR, BOBS_DOOR = DeviceId(ALICE, "door_lock", 1), DeviceId(BOB, "door_lock", 1)

RUN = (
    "import sys; from pathlib import Path; from runtime.broker_run import run_broker; "
    "run_broker(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))"
)

ANONYMOUS_CONNECT = bytes.fromhex("100d00044d51545404020005000178")
NOT_AUTHORIZED = bytes.fromhex("20020005")


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


def test_a_killed_broker_starts_again_on_its_data(own_running: RunningBroker, connect: Connect) -> None:
    running = own_running
    password, ids = running.secrets.broker_passwords["gateway"], running.secrets.client_ids
    first = connect(running.port, password, ids.bulk, persistent=True)
    assert first.subscribe(topics.BULK_FILTER, qos=1)
    first.close()
    alice = connect(running.port, password_of(running))
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
    alice = connect(running.port, password_of(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"x" * 60_000)
    alice.send(topics.event(ADCODE, ALICES_DOOR), b"x" * 70_000)
    eventually(alice.lost.is_set)


def test_a_qos_1_exchange_does_not_wait_for_a_delayed_acknowledgement(
    running: RunningBroker, connect: Connect
) -> None:
    alice = connect(running.port, password_of(running))
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


def test_a_listener_with_a_certificate_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    port, tls = free_port(), self_signed(tmp_path)
    broker = Broker(tmp_path, port, free_port(), "127.0.0.1", tls=tls)
    broker.start()
    try:
        context = ssl.create_default_context(cafile=str(tls.certificate))
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
        ):
            line.sendall(ANONYMOUS_CONNECT)
            assert line.recv(4) == NOT_AUTHORIZED
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.sendall(ANONYMOUS_CONNECT)
            assert NOT_AUTHORIZED[:1] not in plain.recv(64)[:1]
    finally:
        broker.stop()


def test_a_second_broker_for_the_same_folder_is_refused(running: RunningBroker) -> None:
    second = Broker(running.broker.files.folder.parent, free_port(), free_port())
    with pytest.raises(BrokerFailed, match="Another Waystation runs the broker"):
        second.start()
    assert running.broker.is_alive()


def test_a_missing_program_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerFailed, match=r"is missing: run make setup"):
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


def self_signed(folder: Path) -> Tls:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    tls = Tls(folder / "server.pem", folder / "server.key")
    tls.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    tls.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tls


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
