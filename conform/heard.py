"""What reaches the kit from a device, as far as the line shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devices.message import Link
from domain.ids import DeviceId

PACE_S = 0.9
"""A second, less what a line may take off it."""


class Heard(NamedTuple):
    """One publish; `qos` and `retained` are None where the line does not show them."""

    topic: str
    payload: bytes
    qos: int | None = None
    retained: bool | None = None


class Will(NamedTuple):
    """The last will of a CONNECT."""

    topic: str
    payload: bytes
    qos: int
    retained: bool


class Greeting(NamedTuple):
    """What a CONNECT says."""

    clean: bool
    will: Will | None


@dataclass(slots=True)
class Message:
    """One number of one boot, however often it came. `at_s` are the monotonic seconds at which it came."""

    boot: str
    seq: int
    low: int | None
    lane: str
    topic: str
    leaf: str
    device: DeviceId
    body: dict[str, Any]
    ts_ms: int | None
    session: int
    at_s: list[float] = field(default_factory=list)
    acked_s: float | None = None
    given_up: bool = False
    behind_ms: int | None = None
    """How far its ts was behind the hub's time when it first came."""

    @property
    def key(self) -> tuple[str, int]:
        """What makes it this message and no other."""
        return self.boot, self.seq

    @property
    def again_s(self) -> list[float]:
        """When it was sent again; what came right behind another is judged as haste, and not counted."""
        last_s, again_s = self.at_s[0], []
        for at_s in self.at_s[1:]:
            if at_s - last_s >= PACE_S:
                again_s.append(at_s)
                last_s = at_s
        return again_s

    @property
    def where(self) -> str:
        """For evidence."""
        return f"{self.topic} seq {self.seq}"


class LinkHeard(NamedTuple):
    """One link message of a speaker."""

    speaker: DeviceId
    topic: str
    link: Link
    at_s: float
