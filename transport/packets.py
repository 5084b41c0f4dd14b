"""MQTT packets that we encode ourselves, many at once: PUBLISH and PUBACK."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

from domain.errors import BadMessage, BadTopic

LARGEST_PAYLOAD_BYTES = 60 * 1024
"""Some brokers close the connection at 64 KiB, and the sender would then send for ever."""

_PUBACK = 0x40020000
_PUBLISH = 0x30
_QOS_1 = 0x02


def pubacks(mids: Sequence[int]) -> bytes:
    """One PUBACK for each message id, in this order."""
    return struct.pack(f">{len(mids)}I", *[_PUBACK | mid for mid in mids])


def publish_packet(topic: str, payload: bytes, mid: int = 0) -> bytes:
    """One PUBLISH, not retained: QoS 1 with a `mid`, QoS 0 without; raises BadTopic or BadMessage."""
    head, address = _PUBLISH, topic_field(topic)
    if mid:
        head, address = _PUBLISH | _QOS_1, b"%b%c%c" % (address, mid >> 8, mid & 255)
    size = len(address) + len(payload)
    if size < 128:
        return b"%c%c%b%b" % (head, size, address, payload)
    if size < 16_384:
        return b"%c%c%c%b%b" % (head, size & 127 | 128, size >> 7, address, payload)
    check_topic_and_payload(topic, payload)
    return b"%c%c%c%c%b%b" % (head, size & 127 | 128, size >> 7 & 127 | 128, size >> 14, address, payload)


def check_topic_and_payload(topic: str, payload: bytes) -> None:
    """Raise BadTopic or BadMessage for what a broker would not take."""
    topic_field(topic)
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise BadMessage(
            "too_large", "payload", f"has {len(payload)} bytes, a broker takes {LARGEST_PAYLOAD_BYTES}"
        )


@lru_cache(maxsize=65_536)
def topic_field(topic: str) -> bytes:
    """The topic as it stands in a PUBLISH; raises BadTopic for what would make a broker hang up."""
    encoded = topic.encode()
    if not encoded or len(encoded) > 1024:
        raise BadTopic("bad_topic", "topic", f"has {len(encoded)} bytes, 1 to 1024 are allowed")
    if any(sign in "+#\x7f" or sign <= " " for sign in topic):
        raise BadTopic("bad_topic", "topic", f"{topic[:64]!r} may hold no blanks, control signs, + or #")
    return struct.pack(">H", len(encoded)) + encoded
