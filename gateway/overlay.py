"""One batch under decision: copies of what it touches, and the rows that one transaction will write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from devices.decode import Answer, Happening
from devices.state import SELF, DeviceState
from domain.errors import BadMessage
from domain.facts import Mark, StationFact, Value
from domain.ids import DeviceId
from gateway.fleet import AlertKey, Boot, Fleet, OpenAlertNote, Speaker
from rules.effects import Ask, OpenAlert
from storage.events import EventRow
from storage.quarantine import BadRow
from storage.series_row import SeriesRow
from transport.inbox import Incoming

NO_CODES: frozenset[str] = frozenset()


class Opened(NamedTuple):
    """An alert to open."""

    id: str
    effect: OpenAlert
    station: str
    adcode: str


class Ended(NamedTuple):
    """An alert to end; `note` is its open row."""

    key: AlertKey
    note: OpenAlertNote
    at_ms: int
    reason: str


class Wanted(NamedTuple):
    """What a rule wants of a device, and the alert because of which it does."""

    ask: Ask
    because: AlertKey


class Same(NamedTuple):
    """A message that says again what is known: only the ages of these fields move."""

    device: DeviceId
    state: DeviceState
    fields: Mapping[str, Value]
    mark: Mark
    until_ms: int
    """Until when, by device time, it would change nothing to hear the same once more."""
    seen_ms: int


class Spoke(NamedTuple):
    """A device said something that a command may be waiting for."""

    device: DeviceId
    adcode: str
    content: Answer | Happening
    at_ms: int


@dataclass(slots=True)
class Overlay:
    """Deciding reads through to the fleet and writes only here; dropped whole when the commit fails."""

    fleet: Fleet
    now_ms: int
    number: int = field(default_factory=count(1).__next__)
    speakers: dict[DeviceId, Speaker] = field(default_factory=dict)
    speaker_rows: set[DeviceId] = field(default_factory=set)
    boots: dict[Boot, None] = field(default_factory=dict)
    """Every boot that was heard of; it is changed in place."""
    boot_rows: dict[Boot, None] = field(default_factory=dict)
    """Those of which more changed than one reading after the other will tell again."""
    states: dict[DeviceId, DeviceState] = field(default_factory=dict)
    overdue: set[DeviceId] = field(default_factory=set)
    """Those that are written although nothing forces it."""
    age_rows: set[str] = field(default_factory=set)
    """Stations whose ages are written."""
    same: dict[int, Same] = field(default_factory=dict)
    """By the identity of the state."""
    again: int = 0
    """How many messages said again what is known."""
    series: dict[str, list[SeriesRow]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    quarantine: list[BadRow] = field(default_factory=list)
    opened: dict[AlertKey, Opened] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    short_lived: list[tuple[Opened, Ended]] = field(default_factory=list)
    repeated: list[Opened] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    forgotten: list[AlertKey] = field(default_factory=list)
    replays: list[tuple[int, bool]] = field(default_factory=list)
    spoke: list[Spoke] = field(default_factory=list)
    stations: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    exports: set[DeviceId] = field(default_factory=set)
    look_again: set[DeviceId] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, dict[str, dict[str, StationFact]]] = field(default_factory=dict)
    news: set[str] = field(default_factory=set)
    wakes: dict[DeviceId, int] = field(default_factory=dict)
    """When the clock alone makes it worth looking at a station again."""
    strangers: bool = False
    """Somebody spoke whom the fleet does not know."""
    caught_up: bool = False
    """No older message is still to come, as far as the lanes know."""

    @property
    def touched(self) -> bool:
        """True when there is anything to write."""
        return bool(
            self.states
            or self.boot_rows
            or self.age_rows
            or self.series
            or self.events
            or self.quarantine
            or self.speaker_rows
            or self.opened
            or self.ended
            or self.short_lived
            or self.repeated
            or self.news
            or self.replays
        )

    def count(self, name: str, by: int = 1) -> None:
        """Raise a counter that the metrics show."""
        self.counts[name] = self.counts.get(name, 0) + by

    def rows_of(self, kind: str) -> list[SeriesRow]:
        """The readings of one kind, to add to."""
        rows = self.series.get(kind)
        if rows is None:
            rows = self.series[kind] = []
        return rows

    def speaker(self, id_: DeviceId) -> Speaker:
        """A speaker, to read."""
        return self.speakers.get(id_) or self.fleet.speakers[id_]

    def speaker_for_change(self, id_: DeviceId) -> Speaker:
        """A speaker, to change."""
        speaker = self.speakers.get(id_)
        if speaker is None:
            speaker = self.speakers[id_] = self.fleet.speakers[id_].copy()
        return speaker

    def boot_for_change(self, speaker: DeviceId, name: str) -> Boot | None:
        """A boot, to change; None if it was never heard of."""
        boot = self.speaker(speaker).boots.get(name)
        if boot is not None and boot.before is None:
            boot.begin_change()
            self.boots[boot] = None
        return boot

    def state(self, device: DeviceId) -> DeviceState:
        """A device's state, to read."""
        found = self.states.get(device) or self.fleet.states.get(device)
        return found if found is not None else self.state_for_change(device)

    def state_for_change(self, device: DeviceId) -> DeviceState:
        """A device's state, to change; its parts still belong to the fleet until touched."""
        state = self.states.get(device)
        if state is None:
            origin = self.fleet.states.get(device)
            if origin is None:
                state = self.states[device] = DeviceState()
                return state
            state = self.states[device] = origin.copy()
            origin.held_by = self.number
            same = self.same.pop(id(origin), None)
            if same is not None:
                state.part_for_change(SELF, origin).repeat(same.fields, same.mark, same.until_ms)
                state.seen_ms = same.seen_ms
        return state

    def undo(self) -> None:
        """Give the batch up: what was changed in place is as it was."""
        for boot in self.boots:
            boot.undo_change()
        self.boots.clear()

    @staticmethod
    def note_of(opened: Opened) -> OpenAlertNote:
        """What is remembered of an alert that this batch opens."""
        effect = opened.effect
        return OpenAlertNote(opened.id, effect.refuse_entry, effect.safety, effect.happened_ms)

    def alert_is_open(self, key: AlertKey) -> bool:
        """True when the alert is open after what this batch decided so far."""
        if key in self.opened:
            return True
        if key not in self.fleet.open_alerts or key in self.forgotten:
            return False
        return not any(ended.key == key for ended in self.ended)

    def open_key(self, device: DeviceId, code: str) -> AlertKey | None:
        """An open alert of this device and code, whatever part it is about."""
        keys: list[AlertKey] = [*self.opened, *self.fleet.alerts_of.get(device.station, ())]
        mine = (key for key in keys if key.device == device and key.code == code)
        return next((key for key in mine if self.alert_is_open(key)), None)

    def alert_id(self, key: AlertKey) -> str | None:
        """The id of the open alert of this key."""
        opened = self.opened.get(key)
        if opened is not None:
            return opened.id
        note = self.fleet.open_alerts.get(key)
        return None if note is None else note.id

    def open_codes(self, station: str) -> frozenset[str]:
        """Codes of station-level alerts, for inhibition, after what this batch decided so far."""
        if not self.opened and not self.ended and not self.fleet.alerts_of.get(station):
            return NO_CODES
        codes = set(self.fleet.open_codes(station))
        if self.opened or self.ended or self.forgotten:
            here = [k for k in self.opened if k.device.station == station and k.device.kind == "station"]
            over = (*(e.key for e in self.ended), *self.forgotten)
            codes.difference_update(
                k.code for k in over if k.device.station == station and k.device.kind == "station"
            )
            codes.update(k.code for k in here)
        return frozenset(codes)

    def put_aside(self, incoming: Incoming, bad: BadMessage, station: str | None) -> None:
        """Keep a message that cannot be used where somebody can look at it."""
        self.quarantine.append(
            BadRow(
                topic=incoming.topic,
                payload=incoming.payload,
                reason=bad.reason,
                path=bad.path,
                detail=bad.detail,
                station=station,
                boot=bad.boot,
                seq=bad.seq,
                at_ms=self.now_ms,
            )
        )
        self.count(f"quarantined.{bad.reason}")
