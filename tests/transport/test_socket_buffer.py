"""The buffered socket gives and takes bytes in any pieces without losing or mixing one."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from transport.publishes import Publish
from transport.socket_buffer import WRITE_LIMIT_BYTES, BufferedSocket

Pair = tuple[BufferedSocket, socket.socket, list[int]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    ours.setblocking(False)
    closed: list[int] = []
    buffered = BufferedSocket(ours, closed.append)
    yield buffered, theirs, closed
    buffered.close()
    theirs.close()


PINGRESP = b"\xd0\0"
PUBLISH = b"\x30\x05\0\x01a" + b"hi"


def test_paho_is_given_whole_packets_only(pair: Pair) -> None:
    ours, theirs, _ = pair
    theirs.sendall(b"\x90\x03\0")
    ours.fill()
    assert not ours.holds_packet()
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    theirs.sendall(b"\x01\0" + PINGRESP)
    ours.fill()
    assert ours.holds_packet()
    assert ours.recv(1) == b"\x90"
    assert ours.recv(100) == b"\x03\0\x01\0"
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    assert ours.holds_packet()
    assert ours.recv(2) == PINGRESP
    assert not ours.holds_packet()


def test_messages_are_taken_out_between_the_packets_of_paho_in_their_order(pair: Pair) -> None:
    ours, theirs, _ = pair
    for byte in PUBLISH + PUBLISH + PINGRESP + PUBLISH:
        theirs.sendall(bytes([byte]))
        ours.fill()
    taken: list[Publish] = []
    ours.read_publishes(taken)
    assert taken == [(0, False, "a", b"hi")] * 2
    assert ours.holds_packet()
    assert ours.recv(100) == PINGRESP
    ours.read_publishes(taken)
    assert len(taken) == 3


def test_after_the_last_packet_paho_finds_out_that_the_peer_has_closed(pair: Pair) -> None:
    ours, theirs, _ = pair
    theirs.sendall(PINGRESP)
    theirs.close()
    ours.fill()
    ours.fill()
    assert ours.holds_packet()
    assert ours.recv(100) == PINGRESP
    assert ours.holds_packet()
    assert ours.recv(1) == b""


def test_partial_writes_keep_the_order_of_packets(pair: Pair) -> None:
    ours, theirs, _ = pair
    spread = random.Random(7)
    expected = bytearray()
    received = bytearray()
    theirs.setblocking(False)
    for n in range(400):
        packet = bytes([n % 256]) * spread.randint(1, 3_000)
        expected += packet
        if n % 2:
            assert ours.send(packet) == len(packet)
        else:
            ours.append(packet)
        ours.flush()
        if n % 3 == 0:
            try:
                received += theirs.recv(spread.randint(1, 2_000))
            except BlockingIOError:
                pass
    assert not ours.flush()
    while len(received) < len(expected):
        received += theirs.recv(65_536)
        ours.flush()
    assert received == expected
    assert ours.flush()


def test_a_peer_that_does_not_read_is_refused_whole_packets_only(pair: Pair) -> None:
    ours, _, _ = pair
    packet = b"x" * 60_000
    taken = 0
    with pytest.raises(BlockingIOError):
        while True:
            taken += ours.send(packet)
    assert taken % len(packet) == 0
    assert WRITE_LIMIT_BYTES < taken < WRITE_LIMIT_BYTES + 2 * len(packet)
    assert ours.is_clogged()


def test_a_write_to_a_peer_that_is_gone_shows_at_the_next_read(pair: Pair) -> None:
    ours, theirs, _ = pair
    theirs.close()
    ours.send(b"x")
    assert ours.flush()
    assert ours.broken
    with pytest.raises(ConnectionResetError):
        ours.recv(1)


def test_closing_sends_the_rest_and_tells_the_loop_once(pair: Pair) -> None:
    ours, theirs, closed = pair
    fd = ours.fileno()
    ours.send(b"\xe0\0")
    ours.close()
    ours.close()
    assert theirs.recv(10) == b"\xe0\0"
    assert closed == [fd]
