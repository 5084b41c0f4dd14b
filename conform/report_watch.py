"""How completely and how often each device reports."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from conform.check import Findings
from conform.heard import Message
from conform.link_watch import Session
from devices.registry import kind_of
from domain.ids import DeviceId

REPORT_AFTER_START_S = 15.0
REPORT_AFTER_RECONNECT_S = 75.0
"""A minute by the contract; and as for a start, some time on its way."""
LATE = 1.1
PERIODS = 1.5

Field = str
Times = list[float]


@dataclass(slots=True)
class _Device:
    heard: dict[Field, Times] = field(default_factory=dict)
    reports: list[tuple[float, int]] = field(default_factory=list)
    after_connect: dict[int, dict[Field, float]] = field(default_factory=dict)
    """By connection: how long after it began each field was first reported."""


class ReportWatch:
    """Told of every new telemetry message; `full_report_s` is how often all fields have to come."""

    def __init__(self, findings: Findings, full_report_s: float) -> None:
        self._findings = findings
        self._full_report_s = full_report_s
        self._devices: dict[DeviceId, _Device] = {}
        self._started_s: float | None = None

    @property
    def devices(self) -> list[DeviceId]:
        """Those that have reported."""
        return list(self._devices)

    def period_s(self) -> float:
        """The longest declared period of the devices that report; 60 before any did."""
        return max((float(kind_of(one.kind).period_s) for one in self._devices), default=60.0)

    def shortest_period_s(self) -> float:
        """The shortest one."""
        return min((float(kind_of(one.kind).period_s) for one in self._devices), default=60.0)

    def heard(self, message: Message, session: Session | None, number: int, now_s: float) -> None:
        """Take one new telemetry message of connection `number`."""
        if self._started_s is None:
            self._started_s = now_s
        device = self._devices.setdefault(message.device, _Device())
        device.reports.append((now_s, number))
        names = _fields(message)
        for name in names:
            device.heard.setdefault(name, []).append(now_s)
        if session is not None and session.fresh:
            after_connect = device.after_connect.setdefault(number, {})
            for name in names:
                after_connect.setdefault(name, now_s - session.started_s)

    def finish(self, sessions: list[Session], now_s: float) -> None:
        """Judge what only the end shows."""
        for id_, device in self._devices.items():
            self._judge_connects(id_, device, sessions, now_s)
            self._judge_full(id_, device, sessions, now_s)
            self._judge_period(id_, device, sessions, now_s)
        if not self._devices:
            self._findings.broken("report.period", "no device reported anything")

    def _judge_connects(self, id_: DeviceId, device: _Device, sessions: list[Session], now_s: float) -> None:
        boots: set[str | None] = set()
        for number, session in enumerate(sessions):
            ended_s = now_s if session.ended_s is None else session.ended_s
            allowed_s = REPORT_AFTER_RECONNECT_S if session.boot in boots else REPORT_AFTER_START_S
            boots.add(session.boot)
            after_s = device.after_connect.get(number, {})
            missing = sorted(name for name in device.heard if after_s.get(name, now_s) > allowed_s)
            if not session.fresh or (missing and ended_s - session.started_s < allowed_s):
                continue
            told = f"{id_.short} on connection {number + 1}: "
            told += f"without {', '.join(missing[:5])}" if missing else f"{len(device.heard)} fields"
            self._findings.judge("report.connect", not missing, told)

    def _judge_full(self, id_: DeviceId, device: _Device, sessions: list[Session], now_s: float) -> None:
        allowed_s = self._full_report_s * LATE
        begun_s = self._started_s if self._started_s is not None else now_s
        if now_s - begun_s < allowed_s:
            why = f"it takes {allowed_s:.0f} s of watching: --seconds, or --full-report-s for less"
            self._findings.unseen("report.full", why)
            return
        for name, times in device.heard.items():
            gap_s, after_s = max(
                (later - earlier, earlier) for earlier, later in zip(times, [*times[1:], now_s], strict=True)
            )
            gap_s -= _away_s(sessions, after_s, after_s + gap_s)
            told = f"{id_.short} {name}: at most {gap_s:.0f} s between two reports"
            self._findings.judge("report.full", gap_s <= allowed_s, told)

    def _judge_period(self, id_: DeviceId, device: _Device, sessions: list[Session], now_s: float) -> None:
        allowed_s = kind_of(id_.kind).period_s * PERIODS
        times = [at_s for at_s, _ in device.reports]
        for earlier, later in zip(times, [*times[1:], now_s], strict=True):
            gap_s = later - earlier - _away_s(sessions, earlier, later)
            told = f"{id_.short}: {gap_s:.0f} s without a report"
            if gap_s > allowed_s:
                self._findings.broken("report.period", told)
        if now_s - times[0] > allowed_s:
            self._findings.kept("report.period", f"{id_.short}: {len(times)} reports")


def _fields(message: Message) -> set[Field]:
    kind = kind_of(message.device.kind)
    names = {name for name in message.body if name in kind.metrics}
    if kind.parts is not None:
        parts = message.body.get(kind.parts.field)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                where = f"{kind.parts.field}.{part.get('n')}"
                names |= {f"{where}.{name}" for name in part if name in kind.part_metrics}
    return names


def _away_s(sessions: list[Session], from_s: float, to_s: float) -> float:
    """How long between two moments there was no connection, and no time to speak after it."""
    away_s = 0.0
    for session, following in itertools.pairwise(sessions):
        ended_s = following.started_s if session.ended_s is None else session.ended_s
        away_s += max(0.0, min(to_s, following.started_s) - max(from_s, ended_s))
    if sessions and sessions[-1].ended_s is not None:
        away_s += max(0.0, to_s - max(from_s, sessions[-1].ended_s))
    return away_s
