"""What the kit still sees where the line shows no CONNECT, and how it reads MQTT where it is the broker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conform import packets, report
from conform.heard import Heard
from conform.packets import BadPacket
from conform.sitter import Sitter
from conform.sitting import Sitting
from tests.conform.bench import KEY, STRANGE_KEY, Mutant, examine
from tests.device_sim.stand_in import START_MS
from transport.packets import publish_packet

LINK = "ws/331002/331002-0001/quick/station/0/link"
TELEMETRY = "ws/331002/331002-0001/bulk/occupancy_sensor/1/telemetry"


def sitting() -> Sitting:
    return Sitting(
        Sitter(
            adcode="331002",
            station="331002-0001",
            key=KEY,
            strange_key=STRANGE_KEY,
            word=lambda: "word",
            seconds=300.0,
            shows_connections=False,
        )
    )


def say(to: Sitting, topic: str, at_s: float, **body: Any) -> None:
    payload = json.dumps({"v": 1, "boot": "b1", **body}).encode()
    to.heard_word(Heard(topic, payload, 1), START_MS + int(at_s * 1000), at_s)
    to.tick(START_MS + int(at_s * 1000), at_s)


def ended(one: Sitting, at_s: float) -> dict[str, str]:
    one.tick(START_MS, at_s)
    one.stop(at_s)
    return {verdict.id: verdict.outcome for verdict in one.verdicts()}


@pytest.mark.parametrize(
    ("conns", "gone", "outcome"),
    [([1, 2], 1, "kept"), ([1, 2], 9, "broken"), ([3], 3, "kept")],
)
def test_a_will_that_the_broker_speaks_must_name_a_connection_that_was(
    conns: list[int], gone: int, outcome: str
) -> None:
    one = sitting()
    for at_s, conn in enumerate(conns):
        say(one, LINK, float(at_s), online=True, conn=conn)
    say(one, LINK, 5.0, online=False, conn=gone)

    assert ended(one, 8.0)["link.will"] == outcome


@pytest.mark.parametrize(("conns", "outcome"), [([1, 2], "kept"), ([2, 1], "broken"), ([1, 1], "not seen")])
def test_another_conn_is_another_connection(conns: list[int], outcome: str) -> None:
    one = sitting()
    for at_s, conn in enumerate(conns):
        say(one, LINK, float(at_s), online=True, conn=conn)

    assert ended(one, 8.0)["link.conn"] == outcome


def test_a_second_listener_finds_what_is_retained() -> None:
    one, other = sitting(), sitting()
    one.probed([TELEMETRY])
    other.probed([])

    assert ended(one, 1.0)["publish.retained"] == "broken"
    assert ended(other, 1.0)["publish.retained"] == "kept"


def test_a_gap_where_nothing_was_lost_is_found_and_one_that_went_with_the_line_is_not() -> None:
    whole, torn, gap = sitting(), sitting(), sitting()
    for one, second in ((whole, 2), (torn, 4), (gap, 4)):
        say(one, LINK, 0.0, online=True, conn=1)
        say(one, TELEMETRY, 0.1, seq=1, presence=True)
        if one is torn:
            say(one, LINK, 0.2, online=True, conn=2)
        say(one, TELEMETRY, 0.3, seq=second, presence=True)

    assert [ended(one, 8.0)["envelope.seq"] for one in (whole, torn, gap)] == ["kept", "kept", "broken"]


def test_the_report_says_everything_and_nothing_that_commands_a_terminal() -> None:
    class Painted(Mutant):
        def says(self, heard: Heard) -> list[Heard]:
            return [heard, heard._replace(topic="ws/\x1b[31m/x")]

    seen = examine(Painted(), "occupancy_sensor", seconds=20.0)
    lines = report.as_lines(seen.verdicts, 5)

    assert any("topic.shape" in line and line.startswith("broken") for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert lines[-1].startswith("Not yet:")
    assert report.as_json("331002-0001", seen.verdicts, 5)["passed"] is False
    assert report.as_lines([], 0)[-1].startswith("Nothing was heard")


@given(
    topic=st.text("abc/", min_size=1, max_size=40), payload=st.binary(max_size=300), cut=st.integers(0, 400)
)
def test_a_packet_is_read_only_when_it_is_whole(topic: str, payload: bytes, cut: int) -> None:
    sent = publish_packet(topic, payload)
    buffer = bytearray(sent[:cut])
    first = packets.next_packet(buffer)
    if cut < len(sent):
        assert first is None
        buffer += sent[cut:]
        first = packets.next_packet(buffer)
    assert first is not None
    assert packets.read_publish(first) == packets.Publish(topic, payload, 0, False, 0)
    assert not buffer


@given(rubbish=st.binary(min_size=2, max_size=60))
def test_rubbish_is_refused_or_waited_for_and_never_stumbled_over(rubbish: bytes) -> None:
    buffer = bytearray(rubbish)
    try:
        while (packet := packets.next_packet(buffer)) is not None:
            for read in (packets.read_connect, packets.read_publish, packets.read_subscribe):
                try:
                    read(packet)
                except BadPacket:
                    pass
    except BadPacket:
        pass


@pytest.mark.parametrize(
    ("topic_filter", "topic", "wanted"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/b/c", "a/b", False),
    ],
)
def test_filters_want_what_mqtt_says(topic_filter: str, topic: str, wanted: bool) -> None:
    assert packets.grants(topic_filter, topic) == wanted
