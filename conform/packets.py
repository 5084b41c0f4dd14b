"""MQTT 3.1.1 as a broker reads and writes it, bytes only; as much of it as one device needs."""

from __future__ import annotations

from typing import NamedTuple

from conform.heard import Will

CONNECT, PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 6, 8, 10, 12, 14
LONGEST = 256 * 1024
PINGRESP = b"\xd0\x00"
BAD_PROTOCOL, BAD_PASSWORD = 1, 5


class BadPacket(Exception):
    """The bytes are not MQTT 3.1.1."""


class Packet(NamedTuple):
    """`kind` and `flags` are the two halves of the first byte."""

    kind: int
    flags: int
    body: bytes


class Connect(NamedTuple):
    """What a CONNECT holds."""

    level: int
    clean: bool
    keepalive_s: int
    client_id: str
    will: Will | None
    password: str | None


class Publish(NamedTuple):
    """What a PUBLISH holds; `mid` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    mid: int


def next_packet(buffer: bytearray) -> Packet | None:
    """Cut the first whole packet out of the buffer; None while it is not all there."""
    length, shift = 0, 0
    for at in range(1, 5):
        if len(buffer) <= at:
            return None
        length |= (buffer[at] & 0x7F) << shift
        shift += 7
        if not buffer[at] & 0x80:
            break
    else:
        raise BadPacket("a length of more than four bytes")
    if length > LONGEST:
        raise BadPacket(f"a packet of {length} bytes")
    end = at + 1 + length
    if len(buffer) < end:
        return None
    packet = Packet(buffer[0] >> 4, buffer[0] & 0x0F, bytes(buffer[at + 1 : end]))
    del buffer[:end]
    return packet


def read_connect(packet: Packet) -> Connect:
    """Read a CONNECT."""
    reader = _Reader(packet.body)
    name, level, flags = reader.text(), reader.byte(), reader.byte()
    if name != "MQTT" or flags & 1:
        raise BadPacket(f"CONNECT of protocol {name[:16]!r}")
    keepalive_s = reader.number()
    client_id = reader.text()
    will = None
    if flags & 0x04:
        will = Will(reader.text(), reader.data(), flags >> 3 & 3, bool(flags & 0x20))
    if flags & 0x80:
        reader.data()
    password = reader.text() if flags & 0x40 else None
    return Connect(level, bool(flags & 0x02), keepalive_s, client_id, will, password)


def read_publish(packet: Packet) -> Publish:
    """Read a PUBLISH."""
    qos = packet.flags >> 1 & 3
    if qos == 3:
        raise BadPacket("PUBLISH at QoS 3")
    reader = _Reader(packet.body)
    topic = reader.text()
    mid = reader.number() if qos else 0
    return Publish(topic, reader.rest(), qos, bool(packet.flags & 1), mid)


def read_subscribe(packet: Packet) -> tuple[int, list[tuple[str, int]]]:
    """The packet's number, and filters with their QoS."""
    reader = _Reader(packet.body)
    mid, filters = reader.number(), []
    while reader.left:
        filters.append((reader.text(), reader.byte() & 3))
    return mid, filters


def connack(code: int) -> bytes:
    """0 accepts; no session is ever present."""
    return bytes([0x20, 2, 0, code])


def suback(mid: int, codes: list[int]) -> bytes:
    """A QoS for each filter, or 0x80."""
    return bytes([0x90, 2 + len(codes)]) + mid.to_bytes(2, "big") + bytes(codes)


def answer(kind: int, mid: int) -> bytes:
    """PUBACK (4), PUBREC (5), PUBCOMP (7) or UNSUBACK (11)."""
    return bytes([kind << 4, 2]) + mid.to_bytes(2, "big")


def grants(topic_filter: str, topic: str) -> bool:
    """Whether a filter wants a topic."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for n, level in enumerate(wanted):
        if level == "#":
            return True
        if n >= len(levels) or level not in ("+", levels[n]):
            return False
    return len(wanted) == len(levels)


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise BadPacket("a packet that ends too early")
        self._at += size
        return self._body[self._at - size : self._at]

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self._take(2), "big")

    def data(self) -> bytes:
        return self._take(self.number())

    def text(self) -> str:
        # Bytes that are no UTF-8 become an address that nobody has, which is then judged.
        return self.data().decode("utf-8", "replace")

    def rest(self) -> bytes:
        return self._take(self.left)
