"""One connection: what it refuses, what it never tells, and how it notices that it is deaf."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

import pytest

from domain.errors import BadSettings
from tests.ports import free_port
from tests.transport.brokers import BULK, AnyBroker, Broker
from tests.transport.conftest import StartStation
from tests.waiting import eventually
from transport.bus import HubBus
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions
from transport.state import State

SECRET_ID = "hub-5d41402abc4b2a76b9719d911017c592"


@pytest.mark.parametrize("client_id", ["", "a.b", "a b", "a\n"])
def test_a_client_id_that_a_broker_would_misread_is_refused_without_being_told(client_id: str) -> None:
    with pytest.raises(BadSettings, match="hub quick: the MQTT client id") as refused:
        ConnectionOptions(label="hub quick", host="h", port=1883, client_id=client_id)
    assert not client_id or client_id not in str(refused.value)


def test_no_secret_is_shown(loop: MqttLoop) -> None:
    options = ConnectionOptions(
        label="hub quick", host="h", port=1883, client_id=SECRET_ID, username="u-secret", password="p-secret"
    )
    shown = repr(options) + repr(Connection(options, loop))
    assert SECRET_ID not in shown
    assert "secret" not in shown


@pytest.mark.integration
def test_a_refused_filter_is_told_and_asked_for_until_it_is_granted(
    tmp_path: Path, loop: MqttLoop, caplog: pytest.LogCaptureFixture
) -> None:
    denied = """authorization { users = [{ user: hub, password: hub,
        permissions: { subscribe: { deny: ["ws.*.*.bulk.>"] } } }] }"""
    broker = Broker(tmp_path, permissions=denied)
    broker.start()
    got: list[bytes] = []
    connection = Connection(
        ConnectionOptions(
            label="hub bulk",
            host="127.0.0.1",
            port=broker.port,
            client_id=SECRET_ID,
            username="hub",
            password="hub",
            clean_session=False,
            subscriptions=(("ws/+/+/bulk/+/+/+", 1), ("hub/command/+", 0)),
        ),
        loop,
        lambda _generation, _mid, _dup, _topic, payload: got.append(payload),
    )
    try:
        with caplog.at_level(logging.DEBUG):
            connection.start()
            eventually(lambda: connection.state is State.REFUSED_FILTERS)
        assert connection.refused_filters == ("ws/+/+/bulk/+/+/+",)
        assert connection.connected
        assert not connection.ready
        assert "the broker refused ws/+/+/bulk/+/+/+, messages are missing" in caplog.text
        assert SECRET_ID not in caplog.text
        broker.rewrite(denied, "authorization { users = [{ user: hub, password: hub }] }")
        broker.signal(signal.SIGHUP)
        eventually(lambda: connection.ready, timeout_s=15.0)
        assert not connection.refused_filters
    finally:
        connection.stop()
        eventually(lambda: not connection.connected)
        broker.kill()


@pytest.mark.integration
def test_wrong_credentials_are_told_once_and_tried_again_without_the_id(
    tmp_path: Path, loop: MqttLoop, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path, permissions="authorization { users = [{ user: hub, password: hub }] }")
    broker.start()
    connection = Connection(
        ConnectionOptions(
            label="hub bus", host="127.0.0.1", port=broker.port, client_id=SECRET_ID, username="hub",
            password="wrong", longest_backoff_s=0.2,
        ),
        loop,
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        connection.start()
        eventually(lambda: caplog.text.count("the broker refused it") >= 3)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "Bad user name or password" in warnings[0].getMessage() or "Not authorized" in caplog.text
    assert SECRET_ID not in caplog.text
    assert not connection.connected
    connection.stop()
    eventually(lambda: connection.state is State.STOPPED)
    broker.kill()


def test_a_broker_that_is_not_there_is_tried_again_and_again(
    loop: MqttLoop, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(
        ConnectionOptions(
            label="hub bus", host="127.0.0.1", port=free_port(), client_id=SECRET_ID, longest_backoff_s=0.05
        ),
        loop,
    )
    with caplog.at_level(logging.DEBUG):
        connection.start()
        eventually(lambda: caplog.text.count("cannot be reached") >= 4)
    assert not connection.publish("hub/command/330106", b"", qos=1)
    connection.stop()
    eventually(lambda: connection.state is State.STOPPED)


@pytest.mark.integration
def test_the_bus_carries_hints_both_ways(broker: AnyBroker, start_station: StartStation) -> None:
    hints: list[tuple[str, bytes]] = []
    username, password = broker.hub_login("gateway")
    bus = HubBus(
        "127.0.0.1",
        broker.hub_port,
        "api-1",
        username=username,
        password=password,
        tls=broker.tls,
        filters=("hub/hint/+", BULK),
        on_hint=lambda *hint: hints.append(hint),
    )
    bus.start()
    eventually(lambda: bus.ready)
    assert bus.publish("hub/hint/330106", b"17")
    start_station(broker).publish(BULK, b"x", qos=0)
    eventually(lambda: sorted(hints) == [("hub/hint/330106", b"17"), (BULK, b"x")])
    bus.stop()
    assert not bus.publish("hub/hint/330106", b"18")
