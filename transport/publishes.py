"""PUBLISH and PUBACK packets, read many at once from the bytes of a connection, before paho looks at the
rest."""

from __future__ import annotations

from domain.errors import BadMessage

Publish = tuple[int, bool, str, bytes]
"""mid (0 for QoS 0), repetition, topic, payload."""

PUBACK_HEAD = b"\x40\x02"
SHORTEST = 3
"""The length of a topic, and a topic of one letter."""


def packet_bounds(data: bytes, at: int) -> tuple[int, int]:
    """Where the body of the packet at `at` begins and ends; it ends at 0 while it is not all there.

    With a length that no packet can have, all of `data` is its body: paho says what is wrong with it.
    """
    size = len(data)
    length = 0
    for nth in range(4):
        body = at + 2 + nth
        if body > size:
            return size, 0
        digit = data[body - 1]
        length |= (digit & 127) << 7 * nth
        if digit < 128:
            return body, body + length if body + length <= size else 0
    return size, size


def read_publishes(data: bytes, at: int, into: list[Publish]) -> int:
    """Append the PUBLISH packets that follow each other from `at` and are all there; returns where they end.

    Raises BadMessage for one that contradicts itself; `into` then holds those before it.
    """
    size = len(data)
    while at + 2 < size and data[at] & 0xF0 == 0x30:
        head, length = data[at], data[at + 1]
        if length > 127 and data[at + 2] < 128:
            # Two bytes of length: nearly all of them.
            body = at + 3
            end = body + (length & 127 | data[at + 2] << 7)
            if end > size:
                return at
        else:
            body, end = packet_bounds(data, at)
            if not end:
                return at
        if end - body < SHORTEST:
            raise BadMessage("bad_packet", "PUBLISH", "is too short to hold a topic")
        topic_at = body + 2
        topic_ends = payload_at = topic_at + (data[body] << 8 | data[body + 1])
        mid = 0
        if head & 0x06:
            payload_at += 2
        if payload_at > end or topic_ends == topic_at or head & 0x04:
            raise BadMessage("bad_packet", "PUBLISH", "says a length or a QoS that cannot be")
        if head & 0x06:
            mid = data[topic_ends] << 8 | data[topic_ends + 1]
        # An address that is no UTF-8 becomes one that nobody has, and is put into quarantine above.
        topic = data[topic_at:topic_ends].decode("utf-8", "replace")
        into.append((mid, head & 0x08 != 0, topic, data[payload_at:end]))
        at = end
    return at


def read_pubacks(data: bytes, at: int, into: list[int]) -> int:
    """Append the mids of the PUBACK packets that follow each other from `at`; returns where they end."""
    while data[at : at + 2] == PUBACK_HEAD and at + 4 <= len(data):
        into.append(data[at + 2] << 8 | data[at + 3])
        at += 4
    return at
