"""A hub that keeps everything it can read and acknowledges it, and a clock that tests move by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from device_sim.line import LineEvents
from device_sim.station_plan import DevicePlan, StationPlan
from devices.decode import decode_event, decode_link, decode_reply, decode_telemetry
from devices.registry import kind_of
from domain import topics
from domain.envelope import Envelope
from domain.errors import BadMessage
from domain.ids import DeviceId, edge_box
from domain.watermark import Watermark
from signing.command import Command, from_base64url, prepare_payload, sign_command, signed_payload
from signing.keys import SigningKey

START_MS = 1_795_000_000_000
"""2026-11-18, 19:06 in China."""


@dataclass
class HandClock:
    """Satisfies domain.clock.Clock; both clocks move together."""

    now: int = START_MS
    monotonic: float = 1_000.0

    def now_ms(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return self.monotonic

    def move(self, seconds: float) -> None:
        self.monotonic += seconds
        self.now += round(seconds * 1000)


@dataclass(frozen=True)
class Kept:
    """A message that the hub has kept."""

    topic: topics.Topic
    envelope: Envelope
    body: dict[str, Any]


@dataclass
class HubStandIn:
    """Keeps what it reads, refuses what it cannot, and answers each batch with one ack."""

    store: str = "store-1"
    kept: list[Kept] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    arrivals: int = 0
    marks: dict[str, Watermark] = field(default_factory=lambda: defaultdict(Watermark))
    conn: int = 0

    def take(self, topic: str, payload: bytes) -> None:
        """One message from a station."""
        self.arrivals += 1
        address = topics.parse(topic)
        try:
            if address.leaf == "link":
                word = decode_link(payload)
                self.links.append(json.loads(payload))
                if word.link.online:
                    self.conn = max(self.conn, word.link.conn)
                return
            envelope = self._envelope(address, payload)
        except BadMessage:
            self.refused.append(payload)
            return
        mark = self.marks[envelope.boot]
        if not mark.has(envelope.seq):
            self.kept.append(Kept(address, envelope, json.loads(payload)))
        mark.add(envelope.seq, envelope.low)

    def ack(self, boot: str) -> bytes:
        """What the hub would say now to this boot."""
        mark = self.marks[boot]
        body = {"boot": boot, "upto": mark.upto, "also": mark.also([]), "conn": self.conn, "now": 0}
        return json.dumps(body | {"store": self.store}).encode()

    def lose_everything(self, store: str) -> None:
        """Come back with another database."""
        self.store = store
        self.kept.clear()
        self.marks.clear()

    def of(self, leaf: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Bodies of one leaf, in the order of arrival."""
        return [
            one.body
            for one in self.kept
            if one.topic.leaf == leaf and (kind is None or one.topic.device.kind == kind)
        ]

    def events(self, type_: str) -> list[dict[str, Any]]:
        """Events of one type."""
        return [body for body in self.of("event") if body["type"] == type_]

    def replies(self, command_id: str) -> list[dict[str, Any]]:
        """What a device answered to one command."""
        return [body for body in self.of("reply") if body["id"] == command_id]

    def nonce(self, command_id: str) -> bytes:
        """The nonce that a device gave for a command."""
        found = next(body for body in self.replies(command_id) if body["state"] == "nonce")
        return from_base64url(found["nonce"])

    def _envelope(self, address: topics.Topic, payload: bytes) -> Envelope:
        kind = kind_of(address.device.kind)
        if address.leaf == "telemetry":
            return decode_telemetry(kind, payload).envelope
        if address.leaf == "event":
            return decode_event(kind, payload).envelope
        return decode_reply(payload).envelope


@dataclass
class HandLine:
    """A line without a broker: the test connects it, carries what was published, and cuts it."""

    events: LineEvents
    conn: int = 0
    wanted: bool = False
    up: bool = False
    after_s: float = 0.0
    under_way: list[tuple[int, str, bytes, bool]] = field(default_factory=list)

    def start(self, after_s: float) -> None:
        self.wanted, self.after_s = True, after_s

    def stop(self, *, abruptly: bool = False) -> None:
        self.wanted = False
        self.cut()

    def publish(self, conn: int, topic: str, payload: bytes, *, counted: bool) -> bool:
        if not self.up or conn != self.conn:
            return False
        self.under_way.append((conn, topic, payload, counted))
        return True

    def join(self) -> None:
        """Connect."""
        self.conn += 1
        self.up = True
        self.events.ready(self.conn)

    def cut(self) -> None:
        """Break off; what is under way is lost."""
        if self.up:
            self.up = False
            self.under_way.clear()
            self.events.lost(self.conn)


def plan(*kinds: str, **more: Any) -> StationPlan:
    """A smart station in Jiaojiang with one device of each kind."""
    fields: dict[str, Any] = {
        "id": "331002-0001",
        "adcode": "331002",
        "area": "331002",
        "number": "001",
        "name": "椒江万达劳动者驿站",
        "name_en": "Jiaojiang Wanda rest station",
        "address": "台州市椒江区东环大道",
        "address_en": "Donghuan Avenue, Jiaojiang, Taizhou",
        "grade": "smart24h",
        "hours": "24/7",
        "night_hours": None,
        "capacity": 8,
        "lat": 28.676,
        "lon": 121.439,
        "devices": tuple(DevicePlan(kind=kind) for kind in kinds),
    }
    return StationPlan(**(fields | more))


def prepare(command_id: str, action: str) -> bytes:
    """What asks for a nonce."""
    return prepare_payload(command_id, action)


def signed(
    key: SigningKey, device: DeviceId, command_id: str, action: str, nonce: bytes, **args: int
) -> bytes:
    """A signed command as it travels."""
    return signed_payload(
        command_id, sign_command(key, Command(str(device), command_id, action, args), nonce)
    )


DOOR = DeviceId("331002-0001", "door_lock", 1)
CABINET = DeviceId("331002-0001", "swap_cabinet", 1)
BOX = edge_box("331002-0001")
