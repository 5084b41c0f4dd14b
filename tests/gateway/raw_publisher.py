"""Publishes at QoS 1 as fast as a broker takes it, over a bare socket: paho would fill no backlog in time."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from itertools import islice

from transport.dial import dial

AT_ONCE = 500
_CONNACK_OK = b"\x20\x02\x00\x00"
_PUBACK_BYTES = 4


def publish_all(
    port: int,
    username: str,
    password: str,
    messages: Iterable[tuple[str, bytes]],
    tls: ssl.SSLContext | None = None,
) -> int:
    """Send (topic, payload) pairs and wait for each PUBACK; returns how many there were."""
    count = 0
    waiting: Iterator[tuple[str, bytes]] = iter(messages)
    with dial("127.0.0.1", port, tls, 10) as sock:
        sock.sendall(_connect(f"raw-{username}", username, password))
        assert _read(sock, 4) == _CONNACK_OK, "the broker refuses the publisher"
        while batch := list(islice(waiting, AT_ONCE)):
            sock.sendall(b"".join(_publish(at + 1, topic, body) for at, (topic, body) in enumerate(batch)))
            _read(sock, _PUBACK_BYTES * len(batch))
            count += len(batch)
        sock.sendall(b"\xe0\x00")
    return count


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def _packet(first: int, body: bytes) -> bytes:
    length, sizes = len(body), bytearray()
    while True:
        length, low = divmod(length, 128)
        sizes.append(low | (0x80 if length else 0))
        if not length:
            return bytes((first, *sizes)) + body


def _connect(client_id: str, username: str, password: str) -> bytes:
    head = _text("MQTT") + b"\x04\xc2" + struct.pack("!H", 60)
    return _packet(0x10, head + _text(client_id) + _text(username) + _text(password))


def _publish(mid: int, topic: str, payload: bytes) -> bytes:
    return _packet(0x32, _text(topic) + struct.pack("!H", mid) + payload)


def _read(sock: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = sock.recv(size)
        assert part, "the broker hung up"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
