"""What is known of a station for availability and access: its ledger entry, and what its devices tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.facts import StationFact, Value
from rules.calendar import Calendar
from rules.liveness import Link
from rules.schedule import Hours, HoursState

Status = Literal["active", "paused", "rebuilding", "closed"]


@dataclass(frozen=True, slots=True)
class StationInfo:
    """The ledger entry. `hours` and `night_hours` are OSM opening hours; `status_until` is a date as text.

    `equipped` says that devices are registered, also when none of them has spoken yet.
    """

    id: str
    adcode: str
    hours: str
    night_hours: str | None = None
    capacity: int | None = None
    status: Status = "active"
    status_reason: str | None = None
    status_until: str | None = None
    created_ms: int = 0
    equipped: bool = False


@dataclass(frozen=True, slots=True)
class Lockdown:
    """A safety alert that keeps people out."""

    code: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class StationView:
    """Facts by device short name, then by name. `doubtful` are codes of open alerts that spoil a fact."""

    devices: Mapping[str, Mapping[str, StationFact]] = field(default_factory=dict)
    lockdown: Lockdown | None = None
    links: Mapping[str, Link] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()

    @staticmethod
    def from_facts_json(body: Mapping[str, Any]) -> StationView:
        """Read the facts JSON of the table availability: devices, lockdown, link, and optionally `alerts`."""
        devices = {
            device: {name: StationFact(*fact) for name, fact in facts.items()}
            for device, facts in (body.get("devices") or {}).items()
        }
        lockdown = body.get("lockdown")
        return StationView(
            devices=devices,
            lockdown=Lockdown(lockdown["code"], lockdown["since_ms"]) if lockdown else None,
            links={speaker: word[0] for speaker, word in (body.get("link") or {}).items()},
            doubtful=frozenset(body.get("alerts") or ()),
        )

    def facts(self, name: str) -> Iterator[StationFact]:
        """This fact of every device that tells it."""
        for facts in self.devices.values():
            fact = facts.get(name)
            if fact is not None:
                yield fact

    def fresh(self, name: str, now_ms: int) -> list[StationFact]:
        """Those that still count and are known."""
        return [one for one in self.facts(name) if one.valid_until_ms > now_ms and one.value is not None]

    def values(self, name: str, now_ms: int) -> set[Value]:
        """The values that still count."""
        return {one.value for one in self.fresh(name, now_ms)}

    @property
    def link(self) -> Link:
        """Online when any speaker is, offline when all are."""
        words = set(self.links.values())
        if "online" in words:
            return "online"
        return "offline" if words == {"offline"} else "unknown"


class Timetables:
    """The hours of stations, parsed once for each text; one that cannot be read is unknown."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._hours: dict[str, Hours | None] = {}

    def hours(self, text: str) -> Hours | None:
        """The timetable of a text; None when it cannot be read."""
        if text not in self._hours:
            try:
                self._hours[text] = Hours(text, self.calendar)
            except ValueError:
                self._hours[text] = None
        return self._hours[text]

    def state(self, info: StationInfo, now_ms: int) -> HoursState:
        """Open by day or by night, and when that changes."""
        day = self._one(info.hours, now_ms)
        if info.night_hours is None:
            return day
        night = self._one(info.night_hours, now_ms)
        open_now = True if day.open or night.open else (None if None in (day.open, night.open) else False)
        return HoursState(open_now, self._until(info, open_now, [day.until_ms, night.until_ms], now_ms))

    def _one(self, text: str, now_ms: int) -> HoursState:
        hours = self.hours(text)
        return HoursState(None, None) if hours is None else hours.state(now_ms)

    def _until(
        self, info: StationInfo, open_now: bool | None, edges: list[int | None], now_ms: int
    ) -> int | None:
        # Where one timetable ends the other may go on.
        for _ in range(64):
            later = [edge for edge in edges if edge is not None and edge > now_ms]
            if not later:
                return None
            now_ms = min(later)
            day = self._one(info.hours, now_ms)
            night = self._one(info.night_hours or "", now_ms)
            then = True if day.open or night.open else (None if None in (day.open, night.open) else False)
            if then != open_now:
                return now_ms
            edges = [day.until_ms, night.until_ms]
        return None
