"""The packets that we encode ourselves are those that paho would have sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion

from domain.errors import BadMessage, BadTopic
from transport.packets import LARGEST_PAYLOAD_BYTES, pubacks, publish_packet


def parts(packet: bytes) -> tuple[int, bytes]:
    """First byte and what follows the length, which must be exact."""
    length, shift, at = 0, 0, 1
    while True:
        length |= (packet[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if packet[at - 1] < 128:
            break
    assert len(packet) == at + length
    return packet[0], packet[at:]


@given(st.text("ab驿/-_", min_size=1, max_size=300), st.binary(max_size=500), st.integers(0, 65_535))
def test_a_publish_reads_back_as_it_was_written(topic: str, payload: bytes, mid: int) -> None:
    head, rest = parts(publish_packet(topic, payload, mid))
    read = _packet.decode_publish(head, rest, MQTTProtocolVersion.MQTTv311)
    assert (read.topic.decode(), read.payload, read.qos, read.retain, read.dup, read.mid or 0) == (
        topic, payload, 1 if mid else 0, False, False, mid,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 121, 122, 123, 16_377, 16_378, 16_379, LARGEST_PAYLOAD_BYTES])
def test_lengths_at_every_edge_are_exact(size: int) -> None:
    _, rest = parts(publish_packet("abc", b"x" * size))
    assert len(rest) == 5 + size


@pytest.mark.parametrize("topic", ["", "a b", "a/+/b", "a/#", "a\0b", "a\nb", "x" * 1025])
def test_a_topic_that_would_make_a_broker_hang_up_is_refused(topic: str) -> None:
    with pytest.raises(BadTopic):
        publish_packet(topic, b"")


def test_a_payload_that_no_broker_takes_is_refused() -> None:
    with pytest.raises(BadMessage, match="payload: has 61441 bytes"):
        publish_packet("a", b"x" * (LARGEST_PAYLOAD_BYTES + 1))


@given(st.lists(st.integers(1, 65_535), max_size=50))
def test_pubacks_are_four_bytes_each_in_order(mids: list[int]) -> None:
    assert pubacks(mids) == b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
