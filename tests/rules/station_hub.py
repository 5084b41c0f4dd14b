"""A station in a few lines for tests of rules over it: devices report, the clock runs, the hub looks."""

from __future__ import annotations

from typing import NamedTuple

from devices import fold
from devices.kind import Kind
from devices.registry import kind_of
from devices.state import DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId, edge_box
from rules.calendar import Calendar
from rules.effects import Ask, Effect, OpenAlert, ResolveAlert
from rules.premises import premises
from rules.rulebook import Rulebook
from rules.station_facts import DeviceFacts, by_role, facts_of
from rules.station_view import StationInfo, Timetables
from rules.watch import Watcher
from tests.rules.hub import shipped

STATION = "331002-0001"
TIMETABLES = Timetables(Calendar())
KINDS = ("door_lock", "occupancy_sensor", "climate_sensor", "power_switch")


class Member(NamedTuple):
    device: DeviceId
    kind: Kind


class StationHub:
    """Does with one station what the gateway does, and keeps score."""

    def __init__(
        self, now_ms: int, hours: str = "08:00-22:00", *, rulebook: Rulebook | None = None, capacity: int = 8
    ) -> None:
        self.info = StationInfo(STATION, "331002", hours, capacity=capacity, equipped=True)
        self.members = [Member(DeviceId(STATION, kind, 1), kind_of(kind)) for kind in KINDS]
        self.states = {member.device: DeviceState() for member in self.members}
        self.box = edge_box(STATION)
        self.state = DeviceState()
        self.watcher = Watcher(rulebook or shipped(), lambda _: ("椒江万达驿站", "Jiaojiang Wanda"))
        self.alarm = False
        self.caught_up = True
        self.now_ms = now_ms
        self.seq = 0
        self.asked: list[tuple[int, Ask]] = []
        self.open: dict[str, OpenAlert] = {}
        self.opened: list[OpenAlert] = []

    def say(self, kind: str, **fields: Value) -> None:
        """A device reports now."""
        device = DeviceId(STATION, kind, 1)
        self.seq += 1
        mark = Mark(1, self.seq, self.now_ms)
        fold.apply(kind_of(kind), self.states[device], None, fields, {}, mark)
        self.look()

    def facts(self) -> dict[str, DeviceFacts]:
        return {
            member.device.short: facts_of(member.kind, self.states[member.device], self.now_ms)
            for member in self.members
        }

    def look(self) -> int | None:
        """Judge the station as it is now; returns when the clock makes it worth doing again."""
        facts = self.facts()
        known = premises(
            self.info,
            TIMETABLES,
            self.members,
            facts,
            self.now_ms,
            alarm=self.alarm,
            caught_up=self.caught_up,
        )
        values = {**by_role(self.members, facts, self.now_ms), **known.values}
        self._note(self.watcher.station(self.box, self.state, values, self.now_ms))
        self._note(self.watcher.due(self.box, self.state, self.now_ms, heard_ms=None, floor_ms=0))
        due_ms = self.watcher.due_at(self.box, self.state, heard_ms=None, floor_ms=0)
        return min((ms for ms in (due_ms, known.next_ms, known.ends_ms) if ms is not None), default=None)

    def wait(self, until_ms: int) -> None:
        """Time passes; whatever is due is looked at when it is due."""
        for _ in range(10_000):
            next_ms = self.look()
            if next_ms is None or next_ms > until_ms:
                break
            self.now_ms = max(self.now_ms + 1, next_ms)
        else:
            raise AssertionError("a deadline that is met never ends")
        self.now_ms = max(self.now_ms, until_ms)
        self.look()

    def _note(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, OpenAlert):
                self.open[effect.code] = effect
                self.opened.append(effect)
            elif isinstance(effect, ResolveAlert):
                del self.open[effect.code]
            elif isinstance(effect, Ask):
                self.asked.append((self.now_ms, effect))

    @property
    def commands(self) -> list[str]:
        """What was asked so far."""
        return [ask.command for _, ask in self.asked]
