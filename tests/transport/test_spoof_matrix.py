"""One station tries every way to be another, or the hub; what counts is what is delivered."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest

from domain import topics
from domain.ids import DeviceId, edge_box
from tests.runtime.listener import ADCODE, ALICE, BOB, Delivered
from tests.transport.field import ALICES_DOOR, BOBS_DOOR, Field, open_field
from tests.waiting import eventually

pytestmark = pytest.mark.integration

OWN = {
    "own event": topics.event(ADCODE, ALICES_DOOR),
    "own reply": topics.reply(ADCODE, ALICES_DOOR),
    "own link": topics.link(ADCODE, edge_box(ALICE)),
    "own telemetry": topics.telemetry(ADCODE, ALICES_DOOR),
    "own other device": topics.telemetry(ADCODE, DeviceId(ALICE, "climate_sensor", 7)),
}
FOREIGN = {
    "another's event": topics.event(ADCODE, BOBS_DOOR),
    "another's reply": topics.reply(ADCODE, BOBS_DOOR),
    "another's link": topics.link(ADCODE, edge_box(BOB)),
    "another's telemetry": topics.telemetry(ADCODE, BOBS_DOOR),
    "another's command": topics.command(ADCODE, BOBS_DOOR),
    "another's ack": topics.ack(ADCODE, edge_box(BOB)),
    "own command": topics.command(ADCODE, ALICES_DOOR),
    "a command hint": topics.command_hint(ADCODE),
    "a change hint": topics.change_hint(ADCODE),
    "the quick marker": topics.QUICK_MARKER,
    "the bulk marker": topics.BULK_MARKER,
    "a longer name": topics.event(ADCODE, DeviceId(f"{ALICE}x", "door_lock", 1)),
}
# One more level and it would be Alice's branch; Mosquitto lets it pass, and the hub refuses it by name.
ANOTHER_DIVISION = topics.event("330106", ALICES_DOOR)
WAYS = ("publish at QoS 0", "publish at QoS 1", "retained publish", "will", "retained will")
FILTERS = (
    topics.down_filter(ADCODE, BOB),
    topics.command(ADCODE, BOBS_DOOR),
    "ws/+/+/down/+/+/+",
    topics.QUICK_FILTER,
    topics.BULK_FILTER,
    f"ws/+/{BOB}/#",
    "#",
    "+/+/+/+/+/+/+",
    "hub/#",
    "$SYS/#",
    f"$share/x/{topics.QUICK_FILTER}",
)
COUNT = itertools.count()


@pytest.fixture(scope="module", params=["nats", "mosquitto"])
def field(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with open_field(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


def said_by_alice(field: Field, way: str, places: dict[str, str]) -> dict[str, bytes]:
    """Say something at each place in one of the ways, and wait until all has arrived wherever it can."""
    said = {place: f"{way}: {place} {next(COUNT)}".encode() for place in places}
    retain = way.startswith("retained")
    if way.endswith("will"):
        for place, topic in places.items():
            alice = field.station(will=(topic, said[place], retain))
            if alice.welcome:
                alice.break_off()
        field.has_settled()
    else:
        alice = field.station()
        for place, topic in places.items():
            alice.publish(topic, said[place], retain=retain, qos=0 if way.endswith("0") else 1)
        field.has_settled(alice)
    return said


@pytest.mark.parametrize("way", WAYS)
def test_a_station_is_heard_by_the_gateway_on_its_own_branch(field: Field, way: str) -> None:
    for place, payload in said_by_alice(field, way, OWN).items():
        eventually(lambda payload=payload: field.heard(payload), saying=place)  # type: ignore[misc]
        assert field.heard(payload) == {"gateway"}, place
    alice = field.station()
    for topic in OWN.values() if way.startswith("retained") else ():
        alice.publish(topic, b"", retain=True)


@pytest.mark.parametrize("way", WAYS)
def test_a_station_is_heard_nowhere_else(field: Field, way: str) -> None:
    said = said_by_alice(field, way, FOREIGN)
    assert {place: field.heard(payload) for place, payload in said.items() if field.heard(payload)} == {}
    if way.startswith("retained"):
        late = field.process("gateway")
        for wanted in (topics.QUICK_FILTER, topics.BULK_FILTER, topics.COMMAND_HINTS, topics.CHANGE_HINTS):
            assert late.subscribe(wanted, qos=0)
        assert field.bob.subscribe(topics.down_filter(ADCODE, BOB))
        field.has_settled()
        assert set(said.values()) & set(late.payloads + field.bob.payloads) == set()
        late.close()


@pytest.mark.parametrize("way", WAYS)
def test_under_another_division_nobody_but_the_gateway_can_hear_a_station(field: Field, way: str) -> None:
    (payload,) = said_by_alice(field, way, {"another division": ANOTHER_DIVISION}).values()
    assert field.heard(payload) == ({"gateway"} if field.kind == "mosquitto" else set())


@pytest.mark.parametrize("qos", [0, 1])
def test_a_station_hears_nothing_but_its_own_down_branch(field: Field, qos: int) -> None:
    alice, word = field.station(), b"for alice %d" % next(COUNT)
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    for wanted in FILTERS:
        alice.subscribe(wanted, qos)
    field.bob.publish(topics.telemetry(ADCODE, BOBS_DOOR), b"bob's")
    field.bob.publish(topics.event(ADCODE, BOBS_DOOR), b"bob's")
    field.gateway.publish(topics.command(ADCODE, BOBS_DOOR), b"for bob")
    field.gateway.publish(topics.change_hint(ADCODE), b"hint")
    field.api.publish(topics.command_hint(ADCODE), b"hint")
    field.has_settled(alice)
    field.gateway.publish(topics.command(ADCODE, ALICES_DOOR), word)
    eventually(lambda: word in alice.payloads)
    # Once for each filter that takes in the own command, which a broker may do or not.
    assert set(alice.delivered) == {Delivered(topics.command(ADCODE, ALICES_DOOR), word, False)}


@pytest.mark.parametrize("lane", ["quick", "bulk"])
def test_with_the_gateways_client_id_a_station_hears_nothing(field: Field, lane: str) -> None:
    name = getattr(field.secrets.client_ids, lane)
    wanted = topics.QUICK_FILTER if lane == "quick" else topics.BULK_FILTER
    gateway = field.process("gateway", name, persistent=True)
    assert gateway.subscribe(wanted, qos=1)
    alice, word = field.station(ALICE, name), b"meant for the gateway %d" % next(COUNT)
    assert alice.welcome
    alice.subscribe(wanted, qos=1)
    assert alice.subscribe(topics.down_filter(ADCODE, ALICE))
    for topic in (topics.event(ADCODE, BOBS_DOOR), topics.telemetry(ADCODE, BOBS_DOOR)):
        field.bob.publish(topic, word)
    field.has_settled(alice)
    assert alice.payloads == []
    if field.kind == "mosquitto":
        # Its name there is the one it logged in with, so it has not even disturbed the gateway.
        assert word in gateway.payloads
        assert not gateway.lost.is_set()
    gateway.close()


def test_nobody_comes_in_without_a_credential_for_that_door(field: Field) -> None:
    gateways = field.secrets.broker_passwords["gateway"]
    own = field.passwords[ALICE]
    # Not the last signs: one in sixteen signatures ends in zeros.
    forged = own[:-9] + ("B" if own[-9] != "B" else "C") + own[-8:]
    for password in (None, "change-me", forged):
        assert not field.station(password=password).welcome
    if field.kind == "mosquitto":
        assert not field.station(ALICE, password=field.passwords[BOB]).welcome
        assert not field.station("gateway", password=gateways).welcome
        assert field.station(ALICE).welcome


def test_a_listener_with_tls_answers_nobody_who_speaks_plainly(field: Field) -> None:
    if field.tls is None:
        assert field.kind == "nats", "plain on this machine only"
        return
    connect = bytes.fromhex("100d00044d51545404020005000178")
    for port in (field.hub_port, field.port):
        with socket.create_connection(("127.0.0.1", port), 5) as line:
            line.sendall(connect)
            answer = b""
            try:
                answer = line.recv(4)
            except ConnectionError:
                pass
            assert not answer.startswith(b"\x20"), "it is no CONNACK"
