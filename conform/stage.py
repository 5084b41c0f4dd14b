"""What the parts of a sitting share: the record, the hub's part, and what is to be done next."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from conform.check import Findings
from conform.hub_part import HubPart
from conform.link_watch import LinkWatch
from conform.record import Record
from conform.report_watch import ReportWatch


class Tell(NamedTuple):
    """Publish at QoS 0."""

    topic: str
    payload: bytes


class Cut(NamedTuple):
    """Break the device's connection without a word, and refuse new ones for so long."""

    shut_s: float


Action = Tell | Cut


class Wait(NamedTuple):
    """Go on when it is true, or after so many seconds."""

    until: Callable[[], bool]
    at_most_s: float


Script = Generator[Wait, None, None]
"""One part of a sitting, written down in the order in which it happens."""


@dataclass(slots=True)
class Stage:
    """`now_s` is the monotonic second of the present tick; `word` gives a new random word."""

    findings: Findings
    record: Record
    links: LinkWatch
    reports: ReportWatch
    hub: HubPart
    word: Callable[[], str]
    now_s: float = 0.0
    part: str = ""
    keeps_acknowledged: bool = False
    actions: list[Action] = field(default_factory=list)

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish with the next actions."""
        self.actions.append(Tell(topic, payload))
