"""The real broker delivers to and from whom it should, and to nobody else; judged by what arrives."""

from __future__ import annotations

import time

import pytest

from domain import topics
from domain.ids import DeviceId, edge_box
from signing.keys import SigningKey
from signing.station_credential import issue_station, role_permissions, user_jwt
from tests.runtime.listener import (
    ADCODE,
    ALICE,
    BOB,
    Connect,
    Delivered,
    Listener,
    RunningBroker,
    password_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.integration

ALICES_DOOR, BOBS_DOOR = DeviceId(ALICE, "door_lock", 1), DeviceId(BOB, "door_lock", 1)


def gateway(running: RunningBroker, connect: Connect) -> Listener:
    """A listener with the gateway's rights, on both lanes, with a session of its own."""
    client = connect(running.port, running.secrets.broker_passwords["gateway"])
    assert client.welcome
    assert client.subscribe(topics.QUICK_FILTER, qos=1)
    assert client.subscribe(topics.BULK_FILTER, qos=1)
    assert client.subscribe(topics.COMMAND_HINTS)
    return client


def test_a_station_reaches_the_gateway_on_both_lanes(running: RunningBroker, connect: Connect) -> None:
    hub, alice = gateway(running, connect), connect(running.port, password_of(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"event")
    alice.publish(topics.reply(ADCODE, ALICES_DOOR), b"reply")
    alice.publish(topics.link(ADCODE, edge_box(ALICE)), b"link")
    alice.publish(topics.telemetry(ADCODE, ALICES_DOOR), b"telemetry")
    eventually(lambda: len(hub.delivered) == 4)
    assert set(hub.payloads) == {b"event", b"reply", b"link", b"telemetry"}


def test_the_gateway_reaches_the_right_station_only(running: RunningBroker, connect: Connect) -> None:
    hub = gateway(running, connect)
    alice, bob = (connect(running.port, password_of(running, name)) for name in (ALICE, BOB))
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
        *(connect(running.port, password_of(running, n)) for n in (ALICE, BOB)),
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
    hub, bob = gateway(running, connect), connect(running.port, password_of(running, BOB))
    alice = connect(running.port, password_of(running))
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
    alice = connect(running.port, password_of(running))
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
    liar = connect(running.port, password_of(running), will=(forged, b"forged", retain))
    honest = connect(running.port, password_of(running), will=(true, b"gone", False))
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
    hub, alice = gateway(running, connect), connect(running.port, password_of(running))
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
    alice = connect(running.port, password_of(running))
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
    alice = connect(running.port, password_of(running), "alice")
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    bob = connect(running.port, password_of(running, BOB), "alice", persistent=True)
    assert bob.subscribe(topics.down_filter(ADCODE, BOB))
    hub.publish(topics.command(ADCODE, ALICES_DOOR), b"for alice")
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    eventually(lambda: bob.delivered)
    assert bob.payloads == [b"for bob"]


def test_a_station_that_knows_the_gateways_id_still_hears_nothing(
    own_running: RunningBroker, connect: Connect
) -> None:
    running = own_running
    password, ids = running.secrets.broker_passwords["gateway"], running.secrets.client_ids
    first = connect(running.port, password, ids.quick, persistent=True)
    assert first.subscribe(topics.QUICK_FILTER, qos=1)
    first.close()
    alice = connect(running.port, password_of(running))
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"alice's")
    bob = connect(running.port, password_of(running, BOB), ids.quick, persistent=True)
    assert bob.welcome
    bob.subscribe(topics.QUICK_FILTER, qos=1)
    assert bob.subscribe(topics.down_filter(ADCODE, BOB))
    hub = gateway(running, connect)
    alice.publish(topics.event(ADCODE, ALICES_DOOR), b"alice's")
    eventually(lambda: hub.delivered)
    hub.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    eventually(lambda: bob.delivered)
    assert bob.payloads == [b"for bob"]


def test_nobody_gets_in_without_a_credential_of_this_hub(running: RunningBroker, connect: Connect) -> None:
    stranger = SigningKey(b"s" * 32)
    now_ms = time.time_ns() // 1_000_000
    own = password_of(running)
    forged = own[:-4] + ("AAAA" if not own.endswith("AAAA") else "BBBB")
    foreign = issue_station(stranger, ADCODE, ALICE, now_ms)
    gateway_of_another = user_jwt(stranger, stranger.verify_key, "gateway", role_permissions("gateway"), 1)
    for password in (None, "", "change-me", "station", forged, foreign, gateway_of_another):
        assert not connect(running.port, password).welcome
    assert connect(running.port, own).welcome


def test_a_revoked_station_is_cut_off_and_let_in_with_a_new_credential(
    own_running: RunningBroker, connect: Connect
) -> None:
    running = own_running
    old, other = password_of(running), password_of(running, BOB)
    alice, bob, hub = connect(running.port, old), connect(running.port, other), gateway(running, connect)
    running.secrets.revoke_station(ADCODE, ALICE, time.time_ns() // 1_000_000)
    assert running.broker.reload()
    eventually(alice.lost.is_set)
    assert not connect(running.port, old).welcome
    assert not bob.lost.is_set()
    assert not hub.lost.is_set()
    fresh = connect(running.port, password_of(running))
    assert fresh.welcome
    fresh.publish(topics.event(ADCODE, ALICES_DOOR), b"back")
    eventually(lambda: hub.payloads == [b"back"])
