"""Our own reading of PUBLISH beside paho says what paho's would have said."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.waiting import eventually
from transport.client import DrivenClient
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions
from transport.packets import pubacks
from transport.publishes import Publish, read_pubacks, read_publishes
from transport.state import nobody
from transport.wire import Wire


class Seen(NamedTuple):
    mid: int
    dup: bool
    topic: str
    payload: bytes


class PlainClient(Client):
    """paho as it is, on a socket of the test."""

    def __init__(self, sock: socket.socket, manual_ack: bool) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id="c", manual_ack=manual_ack)
        self._given = sock

    def _create_socket(self) -> socket.socket:
        return self._given


class Read(NamedTuple):
    seen: list[Seen]
    alive: bool


def read_by_paho(sock: socket.socket, send: Callable[[], None]) -> Read:
    seen: list[Seen] = []
    client = PlainClient(sock, manual_ack=True)
    client.on_message = lambda _client, _data, m: seen.append(Seen(m.mid, m.dup, m.topic, bytes(m.payload)))
    client.connect_async("localhost", 1883)
    client.reconnect()
    client.loop_write()
    send()
    for _ in range(40):
        client.loop_read()
    alive = client.socket() is not None
    client._sock_close()
    return Read(seen, alive)


def read_by_us(sock: socket.socket, send: Callable[[], None]) -> Read:
    sock.setblocking(False)
    seen: list[Seen] = []
    client = DrivenClient(client_id="c", clean_session=True)
    client.connect_async("localhost", 1883)
    loop = MqttLoop()
    wire = Wire(client, loop, lambda several: seen.extend(Seen(*one) for one in several), nobody, nobody)
    wire.open(sock)
    wire.flush()
    send()
    wire.readable()
    alive = wire.is_open
    wire.give_up("the test is over")
    loop.stop()
    return Read(seen, alive)


def read_all(how: Callable[[socket.socket, Callable[[], None]], Read], stream: bytes) -> Read:
    """What is seen of `stream`, which comes behind a CONNACK, and whether the connection lives on."""
    ours, theirs = socket.socketpair()
    with theirs:
        return how(ours, lambda: theirs.sendall(b"\x20\x02\0\0" + stream))


def publish(topic: str, mid: int, qos: int, dup: bool, retain: bool, payload: bytes) -> bytes:
    encoded = topic.encode()
    body = struct.pack(">H", len(encoded)) + encoded + (struct.pack(">H", mid) if qos else b"") + payload
    head = 0x30 | (8 if dup else 0) | qos << 1 | retain
    assert len(body) < 16_384
    return bytes([head, len(body) & 127 | 128, len(body) >> 7]) + body


messages = st.builds(
    publish,
    st.text("abc驿/-_0", min_size=1, max_size=60),
    st.integers(1, 65_535),
    st.sampled_from([0, 1]),
    st.booleans(),
    st.booleans(),
    st.binary(max_size=300),
)


@given(st.lists(messages, max_size=8))
def test_messages_read_as_paho_reads_them(stream: list[bytes]) -> None:
    theirs = read_all(read_by_paho, b"".join(stream))
    assert read_all(read_by_us, b"".join(stream)) == theirs
    assert len(theirs.seen) == len(stream)


@given(st.lists(messages, max_size=4), st.data())
def test_in_whatever_pieces_it_comes_each_message_is_read_once(
    stream: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    read: list[Publish] = []
    left = b""
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        left += whole[begin:end]
        left = left[read_publishes(left, 0, read) :]
    at_once: list[Publish] = []
    assert read_publishes(whole, 0, at_once) == len(whole)
    assert (read, left) == (at_once, b"")


@pytest.mark.parametrize(
    "broken",
    [
        b"\x30\0", b"\x30\x01a", b"\x30\x02\0\0", b"\x30\x04\0\0ab", b"\x30\x03\0\x05a",
        b"\x32\x04\0\x01a\0", b"\x32\x03\0\x01a", b"\x36\x06\0\x01a\0\x01x", b"\x30\xff\xff\xff\xff",
    ],
)  # fmt: skip
def test_a_broken_message_is_never_handed_on(broken: bytes) -> None:
    good = publish("a", 1, 1, False, False, b"before")
    assert read_all(read_by_us, good + broken) == Read([Seen(1, False, "a", b"before")], False)


def test_an_address_that_is_no_utf_8_is_handed_on_as_one_that_nobody_has() -> None:
    read = read_all(read_by_us, b"\x32\x07\0\x03a\xff/\0\x09")
    assert read == Read([Seen(9, False, "a\ufffd/", b"")], True)


@given(st.lists(st.one_of(st.integers(1, 65_535), messages), max_size=12), st.integers(0, 3))
def test_confirmations_between_messages_are_read_in_their_order(
    stream: list[int | bytes], missing: int
) -> None:
    pieces = [pubacks([one]) if isinstance(one, int) else one for one in stream]
    whole = b"".join([*pieces, pubacks([7])])
    data, at = whole[: len(whole) - missing], 0
    read: list[int] = []
    messages: list[Publish] = []
    while (until := read_pubacks(data, read_publishes(data, at, messages), read)) > at:
        at = until
    assert read == [one for one in stream if isinstance(one, int)] + ([] if missing else [7])
    assert len(messages) == len(stream) - sum(isinstance(one, int) for one in stream)


def test_what_is_published_has_a_number_that_no_other_waiting_packet_has(loop: MqttLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = ConnectionOptions(
            label="c", host="127.0.0.1", port=listener.getsockname()[1], client_id="c", max_unconfirmed=3
        )
        connection = Connection(options, loop)
        connection.start()
        line, _ = listener.accept()
        with line:
            line.settimeout(10)
            line.recv(4_096)
            line.sendall(b"\x20\x02\0\0")
            eventually(lambda: connection.connected)
            confirmed: list[tuple[str, bool]] = []

            def publish_one(name: str) -> bool:
                def note(so: bool) -> None:
                    confirmed.append((name, so))

                return connection.publish(name, b"", 1, note)

            numbers = []
            for name in "abc":
                assert publish_one(name)
                packet = line.recv(4_096)
                numbers.append(packet[-2:])
                assert packet == b"\x32\x05\0\x01" + name.encode() + packet[-2:]
            assert len(set(numbers)) == 3
            assert not publish_one("d")
            line.sendall(b"\x40\x02" + numbers[1] + b"\x40\x02\0\x01")
            eventually(lambda: confirmed == [("b", True)])
            assert publish_one("e")
            line.recv(4_096)
        eventually(lambda: sorted(confirmed[1:]) == [("a", False), ("c", False), ("e", False)])
        connection.stop()


@pytest.mark.parametrize("manual_ack", [True, False])
def test_a_message_is_confirmed_at_once_unless_that_is_somebody_elses_work(
    loop: MqttLoop, manual_ack: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[bytes] = []
        options = ConnectionOptions(
            label="c", host="127.0.0.1", port=listener.getsockname()[1], client_id="c", manual_ack=manual_ack
        )
        connection = Connection(options, loop, lambda _g, _mid, _dup, _topic, payload: seen.append(payload))
        connection.start()
        line, _ = listener.accept()
        with line:
            line.settimeout(10)
            line.recv(4_096)
            line.sendall(b"\x20\x02\0\0" + publish("a", 258, 1, False, False, b"x"))
            eventually(lambda: seen == [b"x"])
            connection.stop()
            written = b""
            while piece := line.recv(4_096):
                written += piece
        assert written == (b"" if manual_ack else b"\x40\x02\x01\x02") + b"\xe0\0"
