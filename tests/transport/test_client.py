"""Our own reading of PUBLISH, put into paho, says what paho's would have said."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from transport.client import DrivenClient
from transport.socket_buffer import BufferedSocket


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


def plain(sock: socket.socket, manual_ack: bool, see: Callable[[Seen], None]) -> Client:
    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        see(Seen(message.mid, message.dup, message.topic, bytes(message.payload)))

    client = PlainClient(sock, manual_ack)
    client.on_message = on_message
    return client


def driven(sock: socket.socket, manual_ack: bool, see: Callable[[Seen], None]) -> Client:
    client = DrivenClient(
        client_id="c",
        clean_session=True,
        manual_ack=manual_ack,
        on_publish_received=lambda *parts: see(Seen(*parts)),
    )
    client.dialled = BufferedSocket(sock, lambda _fd: None)
    return client


def read_all(
    make: Callable[[socket.socket, bool, Callable[[Seen], None]], Client], stream: bytes, manual_ack: bool
) -> tuple[list[Seen], bool, bytes]:
    """What was seen of `stream`, whether the connection lives on, and what was written after CONNECT."""
    ours, theirs = socket.socketpair()
    with theirs:
        seen: list[Seen] = []
        client = make(ours, manual_ack, seen.append)
        client.connect_async("localhost", 1883)
        client.reconnect()
        client.loop_write()
        flush(client)
        theirs.recv(4_096)
        theirs.sendall(b"\x20\x02\0\0" + stream)
        for _ in range(40):
            client.loop_read()
        alive = client.socket() is not None
        client.loop_write()
        flush(client)
        theirs.setblocking(False)
        try:
            written = theirs.recv(65_536)
        except BlockingIOError:
            written = b""
        client._sock_close()
        return seen, alive, written


def flush(client: Client) -> None:
    sock = client.socket()
    if isinstance(sock, BufferedSocket):
        sock.flush()


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


@given(st.lists(messages, max_size=8), st.booleans())
def test_messages_read_as_paho_reads_them(stream: list[bytes], manual_ack: bool) -> None:
    theirs = read_all(plain, b"".join(stream), manual_ack)
    assert read_all(driven, b"".join(stream), manual_ack) == theirs
    assert len(theirs[0]) == len(stream)


@pytest.mark.parametrize(
    "broken",
    [
        b"\x30\0", b"\x30\x01a", b"\x30\x02\0\0", b"\x30\x04\0\0ab", b"\x30\x03\0\x05a",
        b"\x32\x04\0\x01a\0", b"\x32\x03\0\x01a", b"\x36\x06\0\x01a\0\x01x",
    ],
)  # fmt: skip
def test_a_broken_message_is_never_handed_on(broken: bytes) -> None:
    seen, alive, _ = read_all(driven, broken, True)
    assert (seen, alive) == ([], False)


def test_an_address_that_is_no_utf_8_is_handed_on_as_one_that_nobody_has() -> None:
    seen, alive, _ = read_all(driven, b"\x32\x07\0\x03a\xff/\0\x09", True)
    assert seen == [Seen(9, False, "a�/", b"")]
    assert alive
