"""Everything that was heard, and the checks that each message by itself can break."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from conform.check import Findings
from conform.heard import PACE_S, Heard, LinkHeard, Message
from devices.decode import decode_event, decode_link, decode_reply, decode_telemetry
from devices.registry import kind_of
from domain import topics
from domain.envelope import Envelope, read_envelope
from domain.errors import BadMessage
from domain.json_input import MAX_BYTES, parse_object

CLOCK_MS = 300_000
ON_ITS_WAY_S = 3.0
SETTLED_S = 5.0
FIVE = 5


class Record:
    """Messages in the order in which they were first heard; told of time, never asking for it."""

    def __init__(self, adcode: str, station: str, findings: Findings) -> None:
        self.order: list[Message] = []
        self.open: dict[tuple[str, int], Message] = {}
        """Heard and not yet acknowledged."""
        self.session = 0
        self.burst_since_s = -1e9
        """When the hub last gave a reason to send everything again."""
        self.keeps = False
        """True for a speaker that says `low`: it keeps messages until they are acknowledged."""
        self.forgotten: dict[tuple[str, int], str] = {}
        self._adcode, self._station, self._findings = adcode, station, findings
        self._known: dict[tuple[str, int], Message] = {}
        self._lows: dict[str, tuple[int, int]] = {}
        self._unreadable = 0
        self._least_ms: dict[str, tuple[int, str]] = {}

    def hear(self, heard: Heard, now_ms: int, now_s: float) -> Message | LinkHeard | None:
        """Take one publish; None when nothing can be done with it."""
        judge = self._findings.judge
        if heard.qos is not None:
            judge("publish.qos", heard.qos == 1, f"{heard.topic} came at QoS {heard.qos}")
        if heard.retained is not None:
            what = "retained" if heard.retained else "not retained"
            judge("publish.retained", not heard.retained, f"{heard.topic} came {what}")
        size = len(heard.payload)
        judge("payload.size", size <= MAX_BYTES, f"{heard.topic} has {size} bytes")
        if size > MAX_BYTES:
            self._unreadable += 1
            return None
        try:
            body = parse_object(heard.payload)
        except BadMessage as bad:
            self._findings.broken("payload.json", f"{heard.topic}: {bad}")
            self._unreadable += 1
            return None
        self._findings.kept("payload.json", heard.topic)
        address = self._address(heard.topic)
        if address is not None and address.leaf == "link":
            return self._link(address, heard, body, now_s)
        return self._message(address, heard, body, now_ms, now_s)

    def messages(self, lane: str | None = None) -> Iterator[Message]:
        """All, or those of one lane."""
        return (message for message in self.order if lane is None or message.lane == lane)

    def held(self, lane: str) -> list[Message]:
        """What of a lane was heard and not acknowledged, lowest first."""
        return sorted(
            (m for m in self.open.values() if m.lane == lane and not m.given_up), key=lambda m: m.key
        )

    def age_ms(self, message: Message) -> int:
        """How old a message was when it first came, by the device's own clock; 0 without a clock."""
        if message.behind_ms is None:
            return 0
        return message.behind_ms - self._least_ms[message.boot][0]

    def acknowledged(self, message: Message, now_s: float) -> None:
        """The hub has sent its ack for it."""
        if self.open.pop(message.key, None) is not None:
            message.acked_s = now_s

    def finish(self, dropped: int, now_s: float) -> None:
        """Judge what only the end shows; `dropped` is what the device says that it gave up by itself."""
        self._judge_gaps(dropped, now_s)
        forgotten = [told for key, told in self.forgotten.items() if not self._may_forget(self._known[key])]
        for told in forgotten if len(forgotten) > dropped else ():
            self._findings.broken("low.held", told)
        if self.keeps:
            self._findings.kept("low.held", "every low was at or below what had no ack")
        for boot, (least_ms, where) in self._least_ms.items():
            behind = f"{where} of boot {boot}: at best {least_ms / 1000:.0f} s behind the hub"
            self._findings.judge("clock.plausible", least_ms <= CLOCK_MS, behind)
        if not self._least_ms:
            self._findings.unseen("clock.plausible", "it has no clock: every ts was null")

    def low_has_moved(self) -> bool:
        """True when `low` of any boot has risen since it was first heard."""
        return any(newest > first for first, newest in self._lows.values())

    def _address(self, topic: str) -> topics.Topic | None:
        try:
            address = topics.parse(topic)
            if address.leaf == "marker" or address.lane == "down":
                raise BadMessage("bad_topic", "topic", "is not for stations to speak on")
            if address.leaf != "link":
                kind_of(address.device.kind)
        except BadMessage as bad:
            self._findings.broken("topic.shape", f"{topic[:120]}: {bad}")
            return None
        self._findings.kept("topic.shape", topic)
        own = (address.adcode, address.device.station) == (self._adcode, self._station)
        self._findings.judge("topic.own", own, topic)
        return address if own else None

    def _link(
        self, address: topics.Topic, heard: Heard, body: dict[str, Any], now_s: float
    ) -> LinkHeard | None:
        try:
            word = decode_link(heard.payload)
        except BadMessage as bad:
            self._findings.broken(
                "clock.milliseconds" if bad.path == "ts" else "link.shape", f"{heard.topic}: {bad}"
            )
            return None
        seq = body.get("seq")
        said = "without seq" if seq is None else f"has a seq ({seq!r}); it stands outside the sequence"
        self._findings.judge("link.shape", seq is None, f"{heard.topic} {said}")
        return LinkHeard(address.device, heard.topic, word.link, now_s)

    def _message(
        self, address: topics.Topic | None, heard: Heard, body: dict[str, Any], now_ms: int, now_s: float
    ) -> Message | None:
        envelope = self._envelope(heard.topic, body)
        if envelope is None:
            self._unreadable += 1
            return None
        if address is None:
            self._unreadable += 1  # it has a number, and came where nobody may take it
            return None
        content = {name: value for name, value in body.items() if name != "low"}
        known = self._known.get((envelope.boot, envelope.seq))
        if known is not None:
            self._again(known, heard.topic, content, now_s)
            known.low = envelope.low
            self._low(known, envelope.low)
            return known
        message = Message(
            envelope.boot, envelope.seq, envelope.low, address.lane, heard.topic, address.leaf,
            address.device, content, envelope.ts_ms, self.session, [now_s],
        )  # fmt: skip
        self._fields(message, heard.payload)
        self._known[message.key] = self.open[message.key] = message
        self.order.append(message)
        self._clock(message, now_ms)
        self._low(message, envelope.low)
        return message

    def _envelope(self, topic: str, body: dict[str, Any]) -> Envelope | None:
        try:
            envelope = read_envelope(body)
        except BadMessage as bad:
            check = "clock.milliseconds" if bad.path == "ts" else "envelope.shape"
            self._findings.broken(check, f"{topic} seq {body.get('seq')!r:.20}: {bad}")
            if bad.boot is None or bad.seq is None:
                return None
            return Envelope(None, bad.boot, bad.seq, None)
        self._findings.kept("envelope.shape", f"{topic} seq {envelope.seq}")
        if envelope.ts_ms is not None:
            self._findings.kept("clock.milliseconds", f"{topic} seq {envelope.seq}")
        return envelope

    def _fields(self, message: Message, payload: bytes) -> None:
        try:
            if message.leaf == "telemetry":
                decode_telemetry(kind_of(message.device.kind), payload)
            elif message.leaf == "event":
                decode_event(kind_of(message.device.kind), payload)
            else:
                decode_reply(payload)
        except BadMessage as bad:
            if bad.reason not in ("bad_envelope", "seconds"):
                self._findings.broken("payload.fields", f"{message.where}: {bad}")
        else:
            self._findings.kept("payload.fields", message.where)

    def _again(self, known: Message, topic: str, content: dict[str, Any], now_s: float) -> None:
        if known.topic != topic:
            self._findings.broken("envelope.seq", f"{known.where} and {topic} carry the same seq")
            return
        same = known.body == content
        changed = [name for name in known.body | content if known.body.get(name) != content.get(name)]
        said = "came again unchanged" if same else f"came again with another {', '.join(changed)}"
        self._findings.judge("envelope.same", same, f"{known.where} {said}")
        after_s = now_s - known.at_s[-1]
        known.at_s.append(now_s)
        if known.session != self.session or now_s - self.burst_since_s < SETTLED_S:
            known.session = self.session
            return
        self._findings.judge(
            "again.pace", after_s >= PACE_S, f"{known.where} came again after {after_s:.1f} s"
        )
        if known.acked_s is not None and now_s - known.acked_s > ON_ITS_WAY_S:
            since = f"{now_s - known.acked_s:.0f} s after its ack"
            self._findings.broken("again.stops", f"{known.where} came again {since}")

    def _clock(self, message: Message, now_ms: int) -> None:
        if message.ts_ms is None:
            return
        behind_ms = now_ms - message.ts_ms
        least = self._least_ms.get(message.boot)
        if least is None or behind_ms < least[0]:
            self._least_ms[message.boot] = (behind_ms, message.where)
        message.behind_ms = behind_ms
        if behind_ms < -CLOCK_MS:
            self._findings.broken(
                "clock.plausible", f"{message.where} is {-behind_ms / 1000:.0f} s ahead of the hub"
            )

    def _low(self, message: Message, low: int | None) -> None:
        if low is None:
            return
        self.keeps = True
        first, newest = self._lows.get(message.boot, (low, low))
        self._lows[message.boot] = (min(first, low), max(newest, low))
        for (boot, seq), one in self.open.items():
            if boot == message.boot and seq < low and not one.given_up:
                self.forgotten[one.key] = (
                    f"{message.where} says low {low}, but seq {seq} was never acknowledged"
                )

    def _judge_gaps(self, dropped: int, now_s: float) -> None:
        boots: dict[str, list[Message]] = {}
        for message in self.order:
            boots.setdefault(message.boot, []).append(message)
        for boot, of_boot in boots.items():
            numbers = {message.seq for message in of_boot}
            missing = list(self._gaps(of_boot, now_s))
            if len(missing) > dropped + self._unreadable:
                where = f"boot {boot}: seq {missing[0]} never came ({len(missing)} are missing)"
                self._findings.broken("envelope.seq", where)
            elif len(numbers) > 1:
                whole = f"boot {boot}: {len(numbers)} messages from {min(numbers)} to {max(numbers)}"
                self._findings.kept("envelope.seq", whole)
        if any(message.acked_s is not None for message in self.order):
            self._findings.kept("again.stops", "nothing came again after its ack")

    @staticmethod
    def _may_forget(message: Message) -> bool:
        """What was sent again five times is given up by right; whether it is counted is judged elsewhere."""
        return message.given_up or len(message.again_s) >= FIVE

    def _gaps(self, of_boot: list[Message], now_s: float) -> Iterator[int]:
        """Numbers that should have come; what goes with the line is no fault where nothing is kept."""
        in_order = sorted(of_boot, key=lambda message: message.seq)
        for before, after in itertools.pairwise(in_order):
            lost_with_line = not self.keeps and before.session != after.session
            if now_s - after.at_s[0] >= SETTLED_S and not lost_with_line:
                yield from range(before.seq + 1, after.seq)
