"""What was broken against what was raised: recall, precision and delay, fault by fault."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from device_sim.injections import Injection
from device_sim.scenario import FaultPage, Scenario

AFTERWARDS_S = 1_800
"""So long after its end a fault may still explain an alert at its station."""


class Raised(NamedTuple):
    """An alert: where (`device` is a short name, `station/0` the station), its code, and when it opened."""

    station: str
    device: str
    code: str
    at_s: float


@dataclass(slots=True)
class Line:
    """One kind of fault in the table."""

    name: str
    expected: tuple[str, ...]
    injected: int = 0
    raised: int = 0
    false_alarms: int = 0
    delays_s: list[float] = field(default_factory=list)
    missed: list[Injection] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        """The share of injected faults that were raised in time; None when none had to be."""
        return self.raised / self.injected if self.expected and self.injected else None

    @property
    def precision(self) -> float | None:
        """The share of its alerts that told of a fault."""
        told = self.raised + self.false_alarms
        return self.raised / told if told else None

    @property
    def median_s(self) -> float | None:
        """The median delay from fault to alert."""
        return statistics.median(self.delays_s) if self.delays_s else None


@dataclass(slots=True)
class Score:
    """The whole table. `others` are false alarms of codes that no fault of the scenario had to raise."""

    lines: list[Line]
    others: Counter[str]
    false_alarms: list[Raised]
    explained: int = 0
    """Alerts that followed from a fault beside the one that had to be raised."""
    noted: int = 0
    """Alerts that told of the day itself."""

    @property
    def injected(self) -> int:
        """All faults of which an alert had to tell."""
        return sum(line.injected for line in self.lines if line.expected)

    @property
    def raised(self) -> int:
        """Those of which one did, in time."""
        return sum(line.raised for line in self.lines if line.expected)

    @property
    def false_count(self) -> int:
        """All alerts that told of nothing that was broken."""
        return len(self.false_alarms)


def score(scenario: Scenario, injected: Sequence[Injection], raised: Iterable[Raised]) -> Score:
    """Match each alert with the fault that it tells of; what tells of none is a false alarm.

    An alert belongs to a fault of its station when its code is one that the fault must or may raise, and
    it opened while the fault lasted or shortly after. A fault is raised when a code that it must raise
    opened within its time at its own device, or at its station.
    """
    lines = [Line(_name(page), page.must_raise) for page in scenario.faults]
    here: dict[str, list[Injection]] = defaultdict(list)
    for one in injected:
        here[one.station].append(one)
        lines[one.page].injected += 1
    found: dict[int, float] = {}
    false_alarms: list[Raised] = []
    explained = noted = 0
    for alert in sorted(raised, key=lambda one: one.at_s):
        reasons = [one for one in here[alert.station] if _explains(scenario.faults[one.page], one, alert)]
        if not reasons:
            if alert.code in scenario.no_faults:
                noted += 1
            else:
                false_alarms.append(alert)
            continue
        told = False
        for one in reasons:
            page = scenario.faults[one.page]
            in_time = alert.at_s - one.at_s <= page.within
            if alert.code in page.must_raise and in_time and one.number not in found:
                found[one.number] = alert.at_s - one.at_s
                told = True
        explained += not told
    for one in injected:
        line = lines[one.page]
        if one.number in found:
            line.raised += 1
            line.delays_s.append(max(0.0, found[one.number]))
        elif line.expected:
            line.missed.append(one)
    others: Counter[str] = Counter()
    by_code = {code: line for line in reversed(lines) for code in line.expected}
    for alert in false_alarms:
        if alert.code in by_code:
            by_code[alert.code].false_alarms += 1
        else:
            others[alert.code] += 1
    return Score(lines, others, false_alarms, explained, noted)


def _explains(page: FaultPage, one: Injection, alert: Raised) -> bool:
    if not one.at_s - 1 <= alert.at_s <= max(one.until_s, one.at_s + page.within) + AFTERWARDS_S:
        return False
    if alert.code in page.must_raise:
        return one.device is None or alert.device in (one.device, "station/0")
    return alert.code in page.may_raise


def _name(page: FaultPage) -> str:
    return f"{page.of} {page.fault}"
