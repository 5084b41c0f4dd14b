"""The MQTT topics of the contract, read and written in one place."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from domain.errors import BadTopic
from domain.ids import SPEAKER_KIND, DeviceId

Lane = Literal["quick", "bulk", "down"]

QUICK_FILTER = "ws/+/+/quick/+/+/+"
BULK_FILTER = "ws/+/+/bulk/+/+/+"
COMMAND_HINTS = "hub/command/+"
CHANGE_HINTS = "hub/hint/+"
MARKER_STATION = "hub"
QUICK_MARKER = "ws/hub/hub/quick/marker/0/marker"
BULK_MARKER = "ws/hub/hub/bulk/marker/0/marker"

_LEAVES = {
    "quick": frozenset({"event", "reply", "link"}),
    "bulk": frozenset({"telemetry"}),
    "down": frozenset({"command", "ack", "config"}),
}
_LEVEL = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Topic(NamedTuple):
    """A topic of the contract, taken apart. For `link`, `ack` and `config`, `device` is the speaker."""

    adcode: str
    lane: Lane
    device: DeviceId
    leaf: str


@lru_cache(maxsize=16_384)
def parse(topic: str) -> Topic:
    """Read a topic; raise BadTopic that says which level is wrong."""
    levels = topic.split("/")
    if len(levels) != 7 or levels[0] != "ws":
        raise BadTopic("bad_topic", "topic", "is not ws/{adcode}/{station}/{lane}/{kind}/{n}/{leaf}")
    _, adcode, station, lane, kind, n, leaf = levels
    for name, level in zip(("adcode", "station", "kind", "n"), (adcode, station, kind, n), strict=True):
        if not _LEVEL.fullmatch(level):
            raise BadTopic(
                "bad_topic", f"topic.{name}", f"{level[:64]!r} may hold letters, digits, - and _ only"
            )
    if lane not in _LEAVES:
        raise BadTopic("bad_topic", "topic.lane", f"{lane[:64]!r} is not quick, bulk or down")
    if not (n.isdecimal() and n.isascii() and len(n) <= 6 and str(int(n)) == n):
        raise BadTopic("bad_topic", "topic.n", f"{n[:64]!r} is not a plain number")
    if leaf not in _LEAVES[lane] and leaf != "marker":
        known = ", ".join(sorted(_LEAVES[lane]))
        raise BadTopic("bad_topic", "topic.leaf", f"{leaf[:64]!r} is not one of {known} on lane {lane}")
    return Topic(adcode, lane, DeviceId(station, kind, int(n)), leaf)  # type: ignore[arg-type]


def telemetry(adcode: str, device: DeviceId) -> str:
    """Where a device reports its state."""
    return f"ws/{adcode}/{device.station}/bulk/{device.kind}/{device.n}/telemetry"


def event(adcode: str, device: DeviceId) -> str:
    """Where a device reports what happened once."""
    return f"ws/{adcode}/{device.station}/quick/{device.kind}/{device.n}/event"


def reply(adcode: str, device: DeviceId) -> str:
    """Where a device answers a command."""
    return f"ws/{adcode}/{device.station}/quick/{device.kind}/{device.n}/reply"


def link(adcode: str, speaker: DeviceId) -> str:
    """Where a speaker says that it is there; its will says that it is gone."""
    return f"ws/{adcode}/{speaker.station}/quick/{speaker.kind}/{speaker.n}/link"


def command(adcode: str, device: DeviceId) -> str:
    """Where a device is told what to do."""
    return f"ws/{adcode}/{device.station}/down/{device.kind}/{device.n}/command"


def ack(adcode: str, speaker: DeviceId) -> str:
    """Where the hub promises a speaker what it has kept."""
    return f"ws/{adcode}/{speaker.station}/down/{speaker.kind}/{speaker.n}/ack"


def down_filter(adcode: str, station: str) -> str:
    """What a station subscribes to."""
    return f"ws/{adcode}/{station}/down/+/+/+"


def change_hint(adcode: str) -> str:
    """Where the gateway says that rows of this division changed."""
    return f"hub/hint/{adcode}"


def command_hint(adcode: str) -> str:
    """Where the API says that a command row of this division waits."""
    return f"hub/command/{adcode}"


def is_speaker(device: DeviceId) -> bool:
    """True for a station's edge box."""
    return device.kind == SPEAKER_KIND
