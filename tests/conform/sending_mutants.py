"""Stations that send again in a wrong way."""

from __future__ import annotations

import json
from typing import Any

from conform.heard import Greeting, Heard
from tests.conform.bench import Mutant

Body = dict[str, Any]


def body_of(heard: Heard) -> Body:
    found: Body = json.loads(heard.payload)
    return found


def with_body(heard: Heard, body: Body) -> Heard:
    return heard._replace(payload=json.dumps(body).encode())


def leaf(heard: Heard) -> str:
    return heard.topic.rpartition("/")[2]


class Tracking(Mutant):
    """Knows what went out, what was acknowledged, and when; `forgets` what it swallows."""

    def __init__(self) -> None:
        self.sent: dict[int, Heard] = {}
        self.sent_s: dict[int, float] = {}
        self.acked: dict[int, float] = {}
        self.last_ack_s = 0.0
        self.connected_s = 0.0
        self.connects = 0

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()

    def greets(self, greeting: Greeting) -> Greeting:
        self.connected_s = self.now_s
        self.connects += 1
        return greeting

    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if topic.endswith("/ack"):
            self.last_ack_s = self.now_s
            ack = json.loads(payload)
            for seq in self.sent:
                if seq <= ack["upto"] or any(a <= seq <= b for a, b in ack["also"]):
                    self.acked.setdefault(seq, self.now_s)
        return [(topic, payload)]

    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) == "link":
            return [heard]
        seq = body_of(heard)["seq"]
        again = seq in self.sent
        out = self.repeats(seq, heard) if again else [heard]
        self.sent[seq] = heard
        if out:
            self.sent_s[seq] = self.now_s
        return out

    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        """What goes out when a message is sent again."""
        return [heard]

    def waiting(self) -> list[int]:
        """Telemetry without an ack, lowest first."""
        return sorted(s for s, h in self.sent.items() if s not in self.acked and leaf(h) == "telemetry")


class ChangesWhatItRepeats(Tracking):
    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        return [with_body(heard, body_of(heard) | {"try": 2})]


class ForgetsWhatIsMissing(Tracking):
    """Gives a missing message up, and counts it, without having sent it again."""

    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        return [] if self.station.box.dropped == 0 else [heard]


class GivesUpAfter(Tracking):
    """Sends a missing message again so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times, self._count = times, 0

    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        if self.station.box.dropped == 0:
            self._count += 1
            return [heard] if self._count <= self._times else []
        return [heard]


class DropsInSilence(Tracking):
    """Never has news of what it dropped."""

    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) != "link" or body_of(heard)["dropped"] == 0:
            return super().says(heard)
        return (
            [with_body(heard, body_of(heard) | {"dropped": 0})] if self.now_s - self.connected_s < 20 else []
        )


class NeverGivesUp(Tracking):
    """Goes on with what was dropped, once a second for a quarter of an hour."""

    def later(self) -> list[Heard]:
        if self.station.box.dropped == 0 or self.now_s - self.last_ack_s > 11:
            return []
        due = [s for s in self.waiting() if self.now_s - self.sent_s[s] >= 1.0 and s < max(self.acked)]
        for seq in due:
            self.sent_s[seq] = self.now_s
        return [self.sent[seq] for seq in due]


class InAHurry(Tracking):
    """Sends everything a second time soon after the first."""

    def __init__(self) -> None:
        super().__init__()
        self._soon: list[tuple[float, Heard]] = []

    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) != "link":
            self._soon.append((self.now_s + 0.3, heard))
        return super().says(heard)

    def later(self) -> list[Heard]:
        due = [heard for at_s, heard in self._soon if at_s <= self.now_s]
        self._soon = [one for one in self._soon if one[0] > self.now_s]
        return due


class NeverTimesOut(Tracking):
    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        return [] if self.now_s - max(self.last_ack_s, self.connected_s) > 8 else [heard]


class TimesOutForAll(Tracking):
    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        others = []
        if self.now_s - max(self.last_ack_s, self.connected_s) > 8:
            others = [s for s in self.waiting() if s != seq and self.now_s - self.sent_s[s] > 2]
        return [heard, *(self.sent[s] for s in others)]


class TimesOutEveryTenSeconds(Tracking):
    def later(self) -> list[Heard]:
        if self.now_s - max(self.last_ack_s, self.connected_s) < 10 or not self.waiting():
            return []
        oldest = self.waiting()[0]
        if self.now_s - self.sent_s[oldest] < 10:
            return []
        self.sent_s[oldest] = self.now_s
        return [self.sent[oldest]]

    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        timed_out = self.now_s - max(self.last_ack_s, self.connected_s) > 8
        return [] if timed_out and self.now_s - self.sent_s[seq] < 0.5 else [heard]


class SilentAfterReconnect(Tracking):
    def repeats(self, seq: int, heard: Heard) -> list[Heard]:
        return [] if self.connects > 1 and self.now_s - self.connected_s < 9 else [heard]


class RepeatsWhatIsKept(Tracking):
    def later(self) -> list[Heard]:
        old = [
            s for s, at_s in self.acked.items() if 5 < self.now_s - at_s < 60 and leaf(self.sent[s]) != "link"
        ]
        if not old or self.now_s - self.sent_s[old[0]] < 20:
            return []
        self.sent_s[old[0]] = self.now_s
        return [self.sent[old[0]]]
