"""Stations with exactly one fault each, and the one check of the kit that each must break."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from conform.heard import Greeting, Heard
from device_sim.station import Station
from signing.command import to_base64url
from tests.conform.bench import Mutant
from tests.conform.lax_desk import LaxDesk
from tests.conform.link_mutants import (
    Greets,
    NeverCountsConnections,
    OverlooksTheEcho,
    SaysLinkLate,
    SaysLinkOnce,
    bad_will,
    kept_will,
)
from tests.conform.sending_mutants import (
    Body,
    ChangesWhatItRepeats,
    DropsInSilence,
    ForgetsWhatIsMissing,
    GivesUpAfter,
    InAHurry,
    NeverGivesUp,
    NeverTimesOut,
    RepeatsWhatIsKept,
    SilentAfterReconnect,
    TimesOutEveryTenSeconds,
    TimesOutForAll,
    Tracking,
    body_of,
    leaf,
    with_body,
)
from tests.device_sim.stand_in import DOOR, HandClock


class Changed(Mutant):
    """Changes the body of each message but link, always in the same way."""

    def __init__(self, change: Callable[[Body], Any], leaf: str | None = None, every: int = 1) -> None:
        self._change, self._leaf, self._every = change, leaf, every

    def says(self, heard: Heard) -> list[Heard]:
        body = body_of(heard)
        wanted = leaf(heard) != "link" if self._leaf is None else leaf(heard) == self._leaf
        if wanted and body.get("seq", 0) % self._every == 0:
            self._change(body)
            return [with_body(heard, body)]
        return [heard]


class Besides(Mutant):
    """Says something wrong besides each telemetry message."""

    def __init__(self, wrong: Callable[[Heard], Heard]) -> None:
        self._wrong = wrong

    def says(self, heard: Heard) -> list[Heard]:
        return [heard, self._wrong(heard)] if leaf(heard) == "telemetry" else [heard]


class Sent(Mutant):
    """Publishes in a wrong way."""

    def __init__(self, **how: Any) -> None:
        self._how = how

    def says(self, heard: Heard) -> list[Heard]:
        return [heard._replace(**self._how)]


class SubscribesAtQos1(Mutant):
    def subscribes(self, topic_filter: str) -> tuple[str, int]:
        return topic_filter, 1


class SkipsNumbers(Mutant):
    """Counts 0, 2, 4, …"""

    def says(self, heard: Heard) -> list[Heard]:
        body = body_of(heard)
        body.update({name: 2 * body[name] for name in ("seq", "low") if name in body})
        return [with_body(heard, body)]

    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if not topic.endswith("/ack"):
            return [(topic, payload)]
        ack = json.loads(payload)
        ack["upto"] //= 2
        ack["also"] = [[(a + 1) // 2, b // 2] for a, b in ack["also"] if (a + 1) // 2 <= b // 2]
        return [(topic, json.dumps(ack).encode())]


class StampsWhenSending(Tracking):
    def __init__(self) -> None:
        super().__init__()
        self._ts: dict[int, int] = {}

    def says(self, heard: Heard) -> list[Heard]:
        out = super().says(heard)
        if leaf(heard) == "link":
            return out
        body = body_of(heard)
        ts_ms = self._ts.setdefault(body["seq"], self.clock.now_ms())
        return [with_body(one, body | {"ts": ts_ms}) for one in out]


class KnowsOneStoreOnly(Mutant):
    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if topic.endswith("/ack"):
            payload = json.dumps(json.loads(payload) | {"store": "s"}).encode()
        return [(topic, payload)]


class LeavesOut(Tracking):
    """Leaves a field out of what it says first within (or after) some seconds from a connect."""

    def __init__(self, name: str, within_s: float | None = None, after_s: float | None = None) -> None:
        super().__init__()
        self._name, self._within_s, self._after_s = name, within_s, after_s
        self._cut: set[int] = set()

    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) != "telemetry":
            return super().says(heard)
        seq, age_s = body_of(heard)["seq"], self.now_s - self.connected_s
        early = self._within_s is not None and age_s < self._within_s
        if seq not in self.sent and (early or (self._after_s is not None and age_s > self._after_s)):
            self._cut.add(seq)
        out = super().says(heard)
        if seq not in self._cut:
            return out
        return [with_body(h, {k: v for k, v in body_of(h).items() if k != self._name}) for h in out]


class HalfAReportAfterReturn(LeavesOut):
    """Leaves presence out for the whole time in which a connection but the first wants to hear of it."""

    def __init__(self) -> None:
        super().__init__("presence")

    def greets(self, greeting: Greeting) -> Greeting:
        self._within_s = 76.0 if self.connects else None
        return super().greets(greeting)


class FallsSilent(Mutant):
    """Reports nothing for two minutes."""

    def changes(self, station: Station, clock: HandClock) -> None:
        super().changes(station, clock)
        self._begun_s = clock.monotonic_s()
        self._silent = False

    def later(self) -> list[Heard]:
        age_s = self.clock.monotonic_s() - self._begun_s
        at = ("occupancy_sensor/1", "silent")
        now = (self.clock.now_ms(), self.clock.monotonic_s())
        if not self._silent and age_s > 330:
            self._silent = True
            self.station.inject(*at, {}, *now)
        elif self._silent and age_s > 440:
            self.station.heal(*at, *now)
        return []


class KeepsNothing(Mutant):
    """No fault: a device without room says no low, and sends nothing again."""

    def __init__(self) -> None:
        self._said: set[int] = set()

    def says(self, heard: Heard) -> list[Heard]:
        body = body_of(heard)
        if leaf(heard) == "link":
            return [heard]
        if body["seq"] in self._said:
            return []
        self._said.add(body["seq"])
        return [with_body(heard, {name: value for name, value in body.items() if name != "low"})]


class AnotherNonceEachTime(Mutant):
    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def says(self, heard: Heard) -> list[Heard]:
        body = body_of(heard)
        if body.get("state") == "nonce" and self._seen.setdefault(body["id"], body["seq"]) != body["seq"]:
            return [with_body(heard, body | {"nonce": to_base64url(secrets.token_bytes(16))})]
        return [heard]


class OneNonceForAll(Mutant):
    def nonce(self) -> bytes:
        return b"0123456789abcdef"


class Obeys(Mutant):
    """Its door obeys a desk that is lax in one thing."""

    def __init__(self, lax: str | None) -> None:
        self._lax = lax

    def changes(self, station: Station, clock: HandClock) -> None:
        super().changes(station, clock)
        self._desk = LaxDesk(str(DOOR), self._lax)

    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if not topic.endswith("/command"):
            return [(topic, payload)]
        now_ms, now_s = self.clock.now_ms(), self.clock.monotonic_s()
        for leaf_, body in self._desk.hear(payload, now_s):
            self.station.box.say(DOOR, leaf_, body, now_ms)
        self.station.tick(now_ms, now_s)
        return []


def _cut_nonce(body: Body) -> None:
    if body.get("state") == "nonce":
        body["nonce"] = body["nonce"][:11]


def _of_an_unknown_kind(heard: Heard) -> Heard:
    levels = heard.topic.split("/")
    return heard._replace(topic="/".join([*levels[:4], "counter", *levels[5:]]))


def _in_gb2312(heard: Heard) -> Heard:
    return heard._replace(payload='{"v":1,"note":"驿站"}'.encode("gb2312"))


def _elsewhere(heard: Heard) -> Heard:
    return heard._replace(topic=heard.topic.replace("331002-0001", "331002-0002"))


MUTANTS: dict[str, tuple[str, Callable[[], Mutant]]] = {
    "keeps its session": ("connect.clean", lambda: Greets(lambda g: g._replace(clean=False))),
    "subscribes at QoS 1": ("subscribe.down", SubscribesAtQos1),
    "a dot in a topic": (
        "topic.shape", lambda: Besides(lambda h: h._replace(topic=h.topic.replace("/1/", "/1.0/"))),
    ),
    "a kind that nobody knows": ("topic.shape", lambda: Besides(_of_an_unknown_kind)),
    "speaks for its neighbour": ("topic.own", lambda: Besides(_elsewhere)),
    "publishes at QoS 0": ("publish.qos", lambda: Sent(qos=0)),
    "retains": ("publish.retained", lambda: Sent(retained=True)),
    "GB 2312 in place of UTF-8": ("payload.json", lambda: Besides(_in_gb2312)),
    "17 KiB at once": (
        "payload.size", lambda: Besides(lambda h: with_body(h, body_of(h) | {"note": "x" * 17_000})),
    ),
    "a number as text": (
        "payload.fields", lambda: Changed(lambda b: b.update(count_raw="3"), "telemetry"),
    ),
    "another version": ("envelope.shape", lambda: Changed(lambda b: b.update(v=2), every=4)),
    "no boot": ("envelope.shape", lambda: Besides(lambda h: with_body(h, body_of(h) | {"boot": None}))),
    "counts by two": ("envelope.seq", SkipsNumbers),
    "changes what it repeats": ("envelope.same", ChangesWhatItRepeats),
    "says that it holds nothing older": ("low.held", lambda: Changed(lambda b: b.update(low=b["seq"]))),
    "its low stands still": ("low.moves", lambda: Changed(lambda b: b.update(low=0))),
    "a clock in seconds": ("clock.milliseconds", lambda: Changed(lambda b: b.update(ts=b["ts"] // 1000))),
    "a clock half an hour behind": (
        "clock.plausible", lambda: Changed(lambda b: b.update(ts=b["ts"] - 1_800_000)),
    ),
    "a clock half an hour ahead": (
        "clock.plausible", lambda: Changed(lambda b: b.update(ts=b["ts"] + 1_800_000)),
    ),
    "stamps when it sends": ("late.own_ts", StampsWhenSending),
    "says link late": ("link.first", SaysLinkLate),
    "numbers its links": ("link.shape", lambda: Changed(lambda b: b.update(seq=1), "link")),
    "says link once": ("link.again", SaysLinkOnce),
    "overlooks the echo": ("link.rest", OverlooksTheEcho),
    "never counts connections": ("link.conn", NeverCountsConnections),
    "leaves no will": ("link.will", lambda: Greets(lambda g: g._replace(will=None))),
    "a will that is retained": ("link.will", lambda: Greets(kept_will)),
    "a will of another connection": ("link.will", lambda: Greets(lambda g: bad_will(g, conn=77))),
    "a will that says online": ("link.will", lambda: Greets(lambda g: bad_will(g, online=True))),
    "forgets what is missing": ("again.missing", ForgetsWhatIsMissing),
    "sends everything twice": ("again.pace", InAHurry),
    "gives up after three": ("again.dropped", lambda: GivesUpAfter(4)),
    "never gives up": ("again.dropped", NeverGivesUp),
    "does not count what it drops": ("again.dropped", DropsInSilence),
    "never times out": ("again.timeout", NeverTimesOut),
    "times out for all": ("again.oldest", TimesOutForAll),
    "times out every 10 s": ("again.doubling", TimesOutEveryTenSeconds),
    "silent after a reconnect": ("again.reconnect", SilentAfterReconnect),
    "repeats what is kept": ("again.stops", RepeatsWhatIsKept),
    "knows one store only": ("store.new", KnowsOneStoreOnly),
    "half a report after a start": ("report.connect", lambda: LeavesOut("presence", within_s=16.0)),
    "half a report after a reconnect": ("report.connect", HalfAReportAfterReturn),
    "falls silent": ("report.period", FallsSilent),
    "half a nonce": ("command.nonce", lambda: Changed(_cut_nonce, "reply")),
    "another nonce each time": ("command.same_nonce", AnotherNonceEachTime),
    "one nonce for all": ("command.random", OneNonceForAll),
    "a fifth nonce": ("command.four_open", lambda: Obeys("too_many_open")),
    "any signature": ("command.bad_signature", lambda: Obeys("bad_signature")),
    "any key": ("command.unknown_key", lambda: Obeys("unknown_key")),
    "a neighbour's command": ("command.other_device", lambda: Obeys("other_device")),
    "any id": ("command.other_id", lambda: Obeys("other_id")),
    "any nonce": ("command.wrong_nonce", lambda: Obeys("wrong_nonce")),
    "an old nonce": ("command.expired", lambda: Obeys("expired")),
    "accepts in silence": ("command.accepts", lambda: Obeys("accepts")),
    "acts twice": ("command.once", lambda: Obeys("once")),
    "begins anew when it is over": ("command.recorded", lambda: Obeys("recorded")),
    "does whatever it is told": ("command.unknown_action", lambda: Obeys("unknown_action")),
    "gives reasons of its own": ("command.reason", lambda: Obeys("reason")),
}  # fmt: skip
"""What is wrong with it: the check that must break, and how it is made."""
