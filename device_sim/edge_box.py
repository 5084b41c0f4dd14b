"""The edge box of a station: it numbers messages, keeps them until the hub promises, and sends them again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import to_json

from device_sim.buffer import FIRST_TIMEOUT_S, LONGEST_TIMEOUT_S, PATIENCE, Held, LaneBuffer, Stage
from device_sim.kept import Kept
from device_sim.link_word import LinkWord
from device_sim.promise import Promise, read_promise
from domain import topics
from domain.errors import BadMessage
from domain.ids import DeviceId, edge_box
from domain.json_input import MAX_BYTES

RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
RETRIES = 5
QUICK_EXTRA = 8
"""Publishes that the quick lane may have in flight beyond the window, so that bulk never blocks a reply."""

LEAVES = {"telemetry": topics.telemetry, "event": topics.event, "reply": topics.reply}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSettings:
    """`capacity` in messages; `in_flight` publishes without PUBACK; `sends_per_s` slows a box down; after
    `timeout_s` the oldest message is sent again."""

    capacity: int = 2_000
    in_flight: int = 20
    keep_acked_s: float = 0.0
    sends_per_s: float | None = None
    timeout_s: float = FIRST_TIMEOUT_S


class Sending(NamedTuple):
    """One publish; `seq` is None for link messages."""

    topic: str
    payload: bytes
    seq: int | None


class EdgeBox:
    """The speaker `station/0`: pure, told of both clocks. `boot` must be new and random at each start."""

    def __init__(
        self,
        adcode: str,
        station: str,
        boot: str,
        settings: BoxSettings | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.boot = boot
        self.settings = settings or BoxSettings()
        self.link = LinkWord(boot, dict(versions or {}))
        self.connected = False
        self.in_flight = 0
        self.store: str | None = None
        self._adcode = adcode
        self._speaker = edge_box(station)
        self._seq = 0
        self._order = 0
        self._quick = LaneBuffer(self.settings.timeout_s)
        self._bulk = LaneBuffer(self.settings.timeout_s)
        self._kept = Kept()
        self._next_send_s = -math.inf
        self._ack_delay_s = 0.0
        self._link_topic = topics.link(adcode, self._speaker)

    @property
    def conn(self) -> int:
        """The number of the present connection, or of the last one."""
        return self.link.conn

    @property
    def dropped(self) -> int:
        """Messages that had to be given up."""
        return self.link.dropped

    @property
    def said(self) -> int:
        """Messages that were numbered since the start."""
        return self._seq

    @property
    def held(self) -> int:
        """Messages that the hub has not promised to keep."""
        return len(self._quick.held) + len(self._bulk.held)

    @property
    def waiting(self) -> list[int]:
        """The numbers of the messages that are held."""
        return sorted([*self._quick.held, *self._bulk.held])

    @property
    def kept(self) -> int:
        """Promised messages that are kept for a new store."""
        return len(self._kept)

    @property
    def low(self) -> int:
        """The oldest `seq` that is still here; the next one when nothing is."""
        low = self._seq
        for lane in (self._quick, self._bulk):
            oldest = lane.oldest()
            if oldest is not None and oldest.seq < low:
                low = oldest.seq
        return self._kept.lowest(low)

    def will(self, conn: int) -> tuple[str, bytes]:
        """Topic and payload of the last will of connection `conn`; it has no time, since it is sent later."""
        return self._link_topic, self.link.will(conn)

    def say(
        self,
        device: DeviceId,
        leaf: str,
        body: Mapping[str, Any],
        ts_ms: int | None,
        *,
        safety: bool = False,
        garbled: bytes | None = None,
    ) -> int:
        """Number a message, keep it and queue it; returns its `seq`.

        `leaf` is telemetry, event or reply. Raises BadMessage when it would be longer than 16 KiB.
        `garbled` bytes are sent in its place, as from a box with broken memory.
        """
        tail = b"," + to_json(body)[1:] if body else b"}"
        message = Held(self._seq, LEAVES[leaf](self._adcode, device), ts_ms, tail, safety, garbled)
        size = len(message.payload(self.boot, message.seq))
        if size > MAX_BYTES:
            raise BadMessage(
                "too_large",
                "",
                f"{device} {leaf} has {size} bytes, {MAX_BYTES} are taken: split it",
            )
        self._seq += 1
        (self._bulk if leaf == "telemetry" else self._quick).add(message)
        self._make_room()
        return message.seq

    def is_connected(self, conn: int, monotonic_s: float) -> None:
        """A connection stands: the link is announced, and everything held goes out again, once."""
        self.connected, self.in_flight = True, 0
        self.link.connected(conn, monotonic_s)
        self._quick.queue_all()
        self._bulk.queue_all()

    def is_lost(self, conn: int) -> None:
        """The connection is gone; what is said now waits."""
        if conn == self.link.conn:
            self.connected, self.in_flight = False, 0

    def confirmed(self, conn: int) -> None:
        """The broker has confirmed one publish. That makes room for the next, and promises nothing."""
        if conn == self.link.conn and self.in_flight:
            self.in_flight -= 1

    def heard_ack(self, payload: bytes, monotonic_s: float) -> None:
        """Take the hub's promise; raises BadMessage when it cannot be read. Other boots' acks are ignored."""
        promise = read_promise(payload)
        if promise.boot != self.boot:
            return
        if self.connected:
            self.link.acked(promise.conn)
        if promise.store is not None and promise.store != self.store:
            if self.store is not None:
                self._start_over()
            self.store = promise.store
        self._take_promise(promise, monotonic_s)

    def due_s(self) -> float:
        """The monotonic second at which `take` has something to give; infinity when only news changes it."""
        if not self.connected:
            return math.inf
        due = self.link.due_s
        for lane, room in self._rooms():
            if room > 0 and lane.has_queued():
                due = min(due, self._next_send_s)
            missing = lane.first_missing()
            if missing is not None:
                due = min(due, missing.sent_s + self._retry_s)
            oldest = lane.oldest()
            if oldest is not None and oldest.stage is Stage.SENT:
                due = min(due, lane.times_out_s(oldest))
        return due

    def take(self, monotonic_s: float, ts_ms: int | None) -> list[Sending]:
        """What to publish now: the link first, then quick, then bulk, as far as the window allows."""
        self._kept.forget_before(monotonic_s - self.settings.keep_acked_s)
        if not self.connected:
            return []
        for lane in (self._quick, self._bulk):
            self._send_missing_again(lane, monotonic_s)
            self._send_oldest_again(lane, monotonic_s)
        sendings: list[Sending] = []
        if self.link.due_s <= monotonic_s:
            self.in_flight += 1
            sendings.append(Sending(self._link_topic, self.link.say(monotonic_s, ts_ms), None))
        for lane, _ in self._rooms():
            extra = QUICK_EXTRA if lane is self._quick else 0
            while self.in_flight < self.settings.in_flight + extra and lane.has_queued():
                if self._next_send_s > monotonic_s:
                    return sendings
                if self.settings.sends_per_s is not None:
                    self._next_send_s = monotonic_s + 1 / self.settings.sends_per_s
                message = lane.next_to_send()
                self._order += 1
                self.in_flight += 1
                lane.note_sent(message, monotonic_s, self._order)
                sendings.append(Sending(message.topic, message.payload(self.boot, self.low), message.seq))
        return sendings

    @property
    def _retry_s(self) -> float:
        # A hub that needs long for its promises must not be asked every second.
        return min(LONGEST_RETRY_S, max(RETRY_S, PATIENCE * self._ack_delay_s))

    def _rooms(self) -> tuple[tuple[LaneBuffer, int], ...]:
        room = self.settings.in_flight - self.in_flight
        return (self._quick, room + QUICK_EXTRA), (self._bulk, room)

    def _send_missing_again(self, lane: LaneBuffer, monotonic_s: float) -> None:
        while (message := lane.first_missing()) is not None:
            if message.sent_s + self._retry_s > monotonic_s:
                return
            if message.again >= RETRIES:
                lane.remove(message.seq)
                self.link.drop()
                continue
            message.again += 1
            lane.queue_first(message)

    def _send_oldest_again(self, lane: LaneBuffer, monotonic_s: float) -> None:
        oldest = lane.oldest()
        if oldest is None or oldest.stage is not Stage.SENT or lane.times_out_s(oldest) > monotonic_s:
            return
        lane.timeout_s = min(LONGEST_TIMEOUT_S, lane.timeout_s * 2)
        lane.queue_first(oldest)

    def _take_promise(self, promise: Promise, monotonic_s: float) -> None:
        # What lies below `low` is not here any more, so no promise about it can be taken.
        for lane in (self._quick, self._bulk):
            while (oldest := lane.oldest()) is not None and oldest.seq <= promise.upto:
                self._promised(lane, oldest.seq, monotonic_s)
            for first, last in promise.also:
                if last - first < len(lane.held):
                    seqs = [seq for seq in range(first, last + 1) if seq in lane.held]
                else:
                    seqs = [seq for seq in lane.held if first <= seq <= last]
                for seq in seqs:
                    self._promised(lane, seq, monotonic_s)
            lane.find_missing()

    def _promised(self, lane: LaneBuffer, seq: int, monotonic_s: float) -> None:
        message = lane.remove(seq)
        if message is None:
            return
        if message.sends == 1:
            self._ack_delay_s = max(monotonic_s - message.sent_s, self._ack_delay_s * 0.98)
        if message.sends:
            lane.note_acked(message, monotonic_s, self._ack_delay_s)
        if self.settings.keep_acked_s > 0:
            self._kept.add(message, lane, monotonic_s)

    def _start_over(self) -> None:
        """A new store knows nothing: everything that is still here is held again."""
        for lane, message in self._kept.take_all():
            lane.held[message.seq] = message
        self._quick.queue_all()
        self._bulk.queue_all()

    def _make_room(self) -> None:
        """Promised ones go first, then the oldest telemetry, then other events; never a safety event."""
        while self.held + len(self._kept) > self.settings.capacity:
            if self._kept:
                self._kept.forget_lowest()
                continue
            oldest = self._bulk.oldest()
            lane = self._bulk
            if oldest is None:
                lane = self._quick
                oldest = next((m for m in lane.held.values() if not m.safety), None)
            if oldest is None:
                return
            lane.remove(oldest.seq)
            self.link.drop()

    def use(self, settings: BoxSettings) -> None:
        """Use other settings from now on; a smaller buffer drops at once."""
        self.settings = settings
        self._next_send_s = -math.inf
        self._make_room()
