"""Fill a broker's queues quickly: QoS 1 publishes over one plain socket, many under way at once."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterable

WINDOW = 1_000


def preload(
    port: int, password: str, messages: Iterable[tuple[str, bytes]], at_once: int = WINDOW // 2
) -> int:
    """Publish all messages and wait until the broker has confirmed each; returns how many there were."""
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(_connect(password))
        if wire.recv(4)[3:4] != b"\x00":
            raise ConnectionError("the broker refuses the publisher")
        sent = confirmed = 0
        left_over = b""
        packets: list[bytes] = []
        for topic, payload in messages:
            packets.append(_publish(topic, payload, sent % 65_000 + 1))
            sent += 1
            if len(packets) == at_once:
                wire.sendall(b"".join(packets))
                packets.clear()
                while sent - confirmed > at_once:
                    left_over, more = _count(left_over + wire.recv(65_536))
                    confirmed += more
        wire.sendall(b"".join(packets))
        while confirmed < sent:
            left_over, more = _count(left_over + wire.recv(65_536))
            confirmed += more
        wire.sendall(b"\xe0\x00")
    return sent


def _count(data: bytes) -> tuple[bytes, int]:
    whole = len(data) // 4
    return data[whole * 4 :], whole


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _packet(head: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, digit = size // 128, size % 128
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([head]) + length + body


def _connect(password: str) -> bytes:
    who = f"bench-{secrets.token_hex(4)}"
    body = _text("MQTT") + bytes([4, 0b1100_0010, 0, 60]) + _text(who) + _text("bench") + _text(password)
    return _packet(0x10, body)


def _publish(topic: str, payload: bytes, mid: int) -> bytes:
    return _packet(0x32, _text(topic) + struct.pack(">H", mid) + payload)
