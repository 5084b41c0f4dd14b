"""What rules would have said: the stored messages of one station, judged again on simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from devices.fold import Changes, apply, say_again
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.clock_offset import least_offset, time_of
from domain.facts import STEP_MS, Mark, Value
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.effects import Effect, OpenAlert, Reason, ResolveAlert
from rules.quiet_look import QuietLook
from rules.rule import CLOCK_FAULT, STATION
from rules.side_by_side import Side, Sides
from rules.station_facts import DeviceFacts, by_role, differ, facts_of, half_life_ms, newest_ms
from rules.watch import Watcher

SOONEST_MS: Final = 200
"""A deadline that has come but cannot be met yet is looked at again after this."""
FOLD_EVERY_MS: Final = 120_000
"""A report that says the same again is folded in at least this often where facts look back."""
_NEVER: Final = 2**62
_NOWHERE: Final = Mark(-1, -1, -1)


class StoredMessage(NamedTuple):
    """A report or, with `event`, an event of `part`, as it was kept. `at_ms` is when it counts.

    A field that was reported as null is either None here or absent, as the storage knew it. They come in
    the order of `received_ms`.
    """

    received_ms: int
    seq: int
    device: DeviceId
    speaker: DeviceId
    boot: str
    at_ms: int
    device_ts_ms: int | None
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]]
    event: str | None = None
    part: int = SELF
    body: Mapping[str, Any] = {}


class StoredDevice(NamedTuple):
    """A registered device: who it is and who speaks for it."""

    device: DeviceId
    kind: Kind
    speaker: DeviceId


@dataclass(frozen=True, slots=True)
class StoredStation:
    """A station whose messages are judged again. `names`: Chinese and English.

    `boots` tells when each run of a speaker began, for those that are still remembered.
    """

    id: str
    adcode: str
    names: tuple[str, str]
    devices: tuple[StoredDevice, ...]
    boots: Mapping[tuple[DeviceId, str], int] = field(default_factory=dict)


class Episode(NamedTuple):
    """An alert from its begin to its end; `ended_ms` None: it was still open at the end of the period."""

    alert: OpenAlert
    ended_ms: int | None
    reason: Reason | None
    flaps: int


@dataclass(slots=True)
class _Boot:
    since_ms: int
    offset_ms: int | None = None
    clock_fault: bool | None = None


@dataclass(slots=True)
class _Open:
    alert: OpenAlert
    flaps: int = 0


@dataclass(slots=True)
class Judge:
    """One side's rules, with what they think of one station. `above` are rules that hold for it, too."""

    side: Side
    watcher: Watcher
    above: Judge | None = None
    open: dict[tuple[DeviceId, int, str], _Open] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()

    def open_codes(self) -> frozenset[str]:
        """Codes of the station's own alerts that are open."""
        return self.codes if self.above is None else self.codes | self.above.codes


@dataclass(slots=True)
class _Device:
    """A device under judgement: one set of facts, and for each judge what is under way."""

    device: DeviceId
    kind: Kind | None
    """None for the station itself."""
    speaker: DeviceId
    facts: DeviceState
    views: list[tuple[Judge, DeviceState]]
    quiet: list[QuietLook] = field(default_factory=list)
    """For each view, the quick way to see that nothing is wrong."""
    exports: bool = False
    counts_time: bool = False
    """Some of its facts look back, and change while nothing else does."""
    told: DeviceFacts = field(default_factory=dict)
    refresh_ms: int = 0
    due_ms: int = _NEVER
    last: StoredMessage | None = None
    """The last report that was folded in."""
    mark: Mark = _NOWHERE
    """The highest place in the order of facts so far."""
    again: Mark | None = None
    """Where the last report stands that said the same again and was not folded in."""


def judges_of(sides: Sides, names: tuple[str, str]) -> list[Judge]:
    """Fresh judges for one station; a side without rules has none."""
    found: list[Judge] = []
    above: Judge | None = None
    for side, book in sides.items():
        if side != "both" and not book.rules:
            continue
        judge = Judge(side, Watcher(book, lambda _: names), above)
        above = above or (judge if side == "both" else None)
        found.append(judge)
    return found


class StationReplay:
    """Takes one station's messages in the order in which the hub received them; what was about an alert
    goes to `note` when it is over. Nothing counts that the hub would have learned before `count_from_ms`."""

    def __init__(
        self,
        station: StoredStation,
        judges: Iterable[Judge],
        away: HubAway,
        begin_ms: int,
        count_from_ms: int,
        note: Callable[[Side, Episode], None],
    ) -> None:
        self._station = station
        self._judges = list(judges)
        self._away = away
        self._begin_ms = begin_ms
        self._count_from_ms = count_from_ms
        self._note = note
        self._boots: dict[tuple[DeviceId, str], _Boot] = {}
        self._heard: dict[DeviceId, int] = {}
        self._alerts_moved = False
        self.station = edge_box(station.id)
        rules = [rule for judge in self._judges for rule in judge.watcher.rulebook.station_rules]
        roles = {name.partition(".")[0] for rule in rules for name in rule.reads}
        self._devices = {one.device: self._new(one, roles) for one in station.devices}
        box = self.station
        self._box = _Device(box, None, box, DeviceState(), self._views(STATION, share=None))
        self._facts: dict[str, Value] = {}
        self._facts_until_ms = 0
        self._judged_facts: list[dict[str, Value]] = [{} for _ in self._box.views]
        silences = [rule.silent_ms for rule in rules if rule.silent_ms is not None]
        self._shortest_silence_ms = min(silences, default=_NEVER)
        self._all = [*self._devices.values(), self._box]
        self._next_ms = _NEVER

    def _new(self, member: StoredDevice, roles: set[str]) -> _Device:
        state = DeviceState()
        exports = any(export.role in roles for export in member.kind.exports)
        views = self._views(member.kind.name, share=state)
        kind = member.kind
        counts_time = bool(kind.derived or (kind.parts is not None and kind.parts.derived))
        quiet = [QuietLook(judge.watcher.rulebook, kind) for judge, _ in views]
        return _Device(member.device, kind, member.speaker, state, views, quiet, exports, counts_time)

    def _views(self, kind: str, share: DeviceState | None) -> list[tuple[Judge, DeviceState]]:
        # Facts are folded once; what each judge has under way is its own.
        return [
            (judge, DeviceState() if share is None else DeviceState(parts=share.parts))
            for judge in self._judges
            if judge.watcher.rulebook.for_kind(kind)
        ]

    def take(self, message: StoredMessage) -> None:
        """Let the time until this message pass, and take it in."""
        now_ms, event = message.received_ms, message.event
        if now_ms >= self._next_ms:
            self.pass_time(now_ms)
        one = self._devices.get(message.device)
        if one is None or one.kind is None:
            return
        self._heard[message.speaker] = now_ms
        mark, clock_moved = self._place(message)
        for _, state in one.views:
            state.seen_ms = now_ms
        moved = False
        if event is None and self._says_again(one, message, mark):
            if one.exports and one.refresh_ms <= mark.at_ms:
                _move_ages(one)
                moved = self._refresh(one, one.kind, now_ms)
        elif event is None or not event.startswith("reply."):
            _move_ages(one)
            changes = _fold(one, one.kind, message, mark)
            one.last = message if event is None and mark > one.mark else None
            one.mark = max(one.mark, mark)
            for at, (judge, state) in enumerate(one.views):
                if event is not None:
                    self._take_effects(
                        judge,
                        judge.watcher.event(
                            message.device, state, event, message.part, mark.at_ms, now_ms, message.body
                        ),
                    )
                self._judge(judge, one, state, one.quiet[at], message, changes.changed, changes.stale)
            if one.exports and (changes.changed or one.refresh_ms <= mark.at_ms):
                moved = self._refresh(one, one.kind, now_ms)
        self._plan(one, now_ms)
        self._judge_station(now_ms, everyone=moved or clock_moved, heard=True)

    def _says_again(self, one: _Device, message: StoredMessage, mark: Mark) -> bool:
        """True when a report says what is known and nothing waits for time to pass: only ages move then.

        Fields that are equal are one object here. Now and then it is folded in all the same, so that facts
        which count time are brought up to date: as the gateway does it.
        """
        last = one.last
        if last is None or message.fields is not last.fields or mark < one.mark:
            return False
        if message.parts is not last.parts:
            if len(message.parts) != len(last.parts):
                return False
            of = last.parts.get
            for n, fields in message.parts.items():
                if of(n) is not fields:
                    return False
        for _, state in one.views:
            if state.watch or state.clock_fault:
                return False
        if one.counts_time and (
            mark.at_ms - last.at_ms > FOLD_EVERY_MS or mark.at_ms // STEP_MS != last.at_ms // STEP_MS
        ):
            return False
        one.mark = one.again = mark
        return True

    def _judge(
        self,
        judge: Judge,
        one: _Device,
        state: DeviceState,
        quiet: QuietLook,
        message: StoredMessage,
        changed: list[tuple[int, list[str]]],
        stale: list[tuple[int, Mapping[str, Value]]],
    ) -> None:
        watcher, device, now_ms = judge.watcher, one.device, message.received_ms
        if changed:
            codes = judge.open_codes()
            for part, names in changed:
                if quiet.is_quiet(state, part, names, now_ms):
                    continue
                effects = watcher.reading(device, state, part, names, now_ms, codes)
                if effects:
                    self._take_effects(judge, effects)
        elif state.watch or state.clock_fault:
            effects = watcher.reading(device, state, SELF, (), now_ms, judge.open_codes())
            self._take_effects(judge, effects)
        for part, fields in stale:
            own: Mapping[str, Value] = message.fields if message.event is None or message.part == SELF else {}
            said = fields if part == SELF else {**own, **fields}
            effects = watcher.history_only(device, state, part, said, message.at_ms, now_ms)
            self._take_effects(judge, effects)

    def _place(self, message: StoredMessage) -> tuple[Mark, bool]:
        """Where the message stands in the order of facts, and whether its clock turned good or bad."""
        key = (message.speaker, message.boot)
        boot = self._boots.get(key)
        if boot is None:
            since_ms = self._station.boots.get(key)
            if since_ms is None:
                since_ms = min(message.at_ms, message.received_ms)
            boot = self._boots[key] = _Boot(since_ms)
        ts_ms, at_ms, moved = message.device_ts_ms, message.at_ms, False
        if ts_ms is not None:
            boot.offset_ms = least_offset(boot.offset_ms, ts_ms, message.received_ms)
            fault = time_of(ts_ms, message.received_ms, boot.offset_ms, True).fault
            # What was believed then, although late, came while the hub was catching up.
            fault = fault and at_ms == message.received_ms
            if fault != boot.clock_fault:
                boot.clock_fault = fault
                moved = self._note_clock(message.speaker, fault)
        return Mark(boot.since_ms, message.seq, at_ms), moved

    def _note_clock(self, speaker: DeviceId, fault: bool) -> bool:
        one = self._box if speaker == self.station else self._devices.get(speaker)
        if one is None or one.facts.clock_fault == fault:
            return False
        one.facts.clock_fault = fault
        self._facts_until_ms = 0
        for _, state in one.views:
            state.clock_fault = fault
        return True

    def _refresh(self, one: _Device, kind: Kind, now_ms: int) -> bool:
        """Read again what a device tells of its station; returns whether any of it moved."""
        facts = facts_of(kind, one.facts, now_ms)
        moved, _ = differ(kind, one.told, facts)
        if not moved and newest_ms(facts) < half_life_ms(one.told):
            return False
        one.told = facts
        one.refresh_ms = half_life_ms(facts)
        self._facts_until_ms = 0
        return moved

    def _judge_station(self, now_ms: int, *, everyone: bool, heard: bool) -> None:
        """Let the rules over the whole station look, if anything that they see may have changed."""
        everyone, self._alerts_moved = everyone or self._alerts_moved, False
        if now_ms >= self._facts_until_ms:
            self._facts, self._facts_until_ms = self._read_facts(now_ms)
        facts = self._facts
        box_ms = self._heard.get(self.station)
        for at, (judge, state) in enumerate(self._box.views):
            if everyone or (heard and state.watch and self._may_move(at, state, box_ms)):
                state.seen_ms = box_ms
                self._judged_facts[at] = facts
                codes = judge.open_codes()
                effects = judge.watcher.station(self.station, state, dict(facts), now_ms, codes)
                self._take_effects(judge, effects)
                self._plan(self._box, now_ms)
            elif state.seen_ms is None and box_ms is not None:
                state.seen_ms = box_ms
                self._plan(self._box, now_ms)
        self._alerts_moved = False

    def _may_move(self, at: int, state: DeviceState, box_ms: int | None) -> bool:
        """True when what is under way may go on: other facts than at the last look, or an end of silence."""
        if self._judged_facts[at] != self._facts:
            return True
        seen_ms = state.seen_ms
        return seen_ms is None or (box_ms is not None and box_ms - seen_ms >= self._shortest_silence_ms)

    def _read_facts(self, now_ms: int) -> tuple[dict[str, Value], int]:
        """What the devices tell of their station now, and until when nothing of it expires."""
        told = {one.device.short: one.told for one in self._devices.values() if one.told}
        facts = by_role(self._station.devices, told, now_ms)
        facts[CLOCK_FAULT] = self._box.facts.clock_fault
        ends = [f.valid_until_ms for own in told.values() for f in own.values() if f.valid_until_ms > now_ms]
        return facts, min(ends, default=_NEVER)

    def pass_time(self, until_ms: int) -> None:
        """Everything that falls due up to this moment. While the hub was away, nobody looked."""
        while self._next_ms <= until_ms:
            now_ms = self._away.awake_ms(self._next_ms)
            if now_ms > until_ms:
                break
            boxed = False
            for one in self._all:
                if one.due_ms <= now_ms:
                    boxed = self._look(one, now_ms) or boxed
            if self._alerts_moved or boxed:
                self._judge_station(now_ms, everyone=False, heard=boxed)
            self._next_ms = min((one.due_ms for one in self._all), default=_NEVER)

    def _look(self, one: _Device, now_ms: int) -> bool:
        device, heard_ms, floor_ms = one.device, self._heard_ms(one), self._floor_ms(now_ms)
        looked = False
        one.due_ms = _NEVER
        _move_ages(one)
        for judge, state in one.views:
            if one is self._box:
                state.seen_ms = self._heard.get(self.station)
            due_ms = judge.watcher.due_at(device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            if due_ms is not None and due_ms <= now_ms:
                looked = True
                effects = judge.watcher.due(
                    device, state, now_ms,
                    heard_ms=heard_ms, floor_ms=floor_ms, open_codes=judge.open_codes(),
                )  # fmt: skip
                self._take_effects(judge, effects)
                due_ms = judge.watcher.due_at(device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            if due_ms is not None:
                one.due_ms = min(one.due_ms, max(due_ms, now_ms + SOONEST_MS))
        return looked and one is self._box

    def _plan(self, one: _Device, now_ms: int) -> None:
        """Set when to look again. A look that is planned may turn out to be too early, never too late."""
        due_ms = one.due_ms
        for judge, state in one.views:
            if due_ms == _NEVER or state.watch:
                at_ms = judge.watcher.due_at(
                    one.device, state, heard_ms=self._heard_ms(one), floor_ms=self._floor_ms(now_ms)
                )
                if at_ms is not None:
                    due_ms = min(due_ms, max(at_ms, now_ms + SOONEST_MS))
        one.due_ms = due_ms
        self._next_ms = min(self._next_ms, due_ms)

    def _heard_ms(self, one: _Device) -> int | None:
        return None if one.speaker == one.device else self._heard.get(one.speaker, 0)

    def _floor_ms(self, now_ms: int) -> int:
        return max(self._begin_ms, self._away.floor_ms(now_ms))

    def reset(self, device: DeviceId, part: int, code: str, at_ms: int) -> None:
        """A person ended this alert then: whoever has it open ends it, too."""
        self.pass_time(at_ms)
        one = self._box if device == self.station else self._devices.get(device)
        if one is not None:
            _move_ages(one)
        for judge, state in one.views if one is not None else ():
            self._take_effects(judge, judge.watcher.reset(device, state, part, code, at_ms))
        if one is not None:
            self._plan(one, at_ms)

    def end(self, end_ms: int) -> None:
        """Let the rest of the period pass, and tell of what is still open then."""
        self.pass_time(end_ms)
        for judge in self._judges:
            for known in judge.open.values():
                self._tell(judge, known, None)
            judge.open.clear()

    def _take_effects(self, judge: Judge, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, OpenAlert):
                key = (effect.device, effect.part, effect.code)
                known = judge.open.get(key)
                if known is not None:
                    known.flaps += 1
                else:
                    judge.open[key] = _Open(effect)
            elif isinstance(effect, ResolveAlert):
                known = judge.open.pop((effect.device, effect.part, effect.code), None)
                if known is None:
                    continue
                self._tell(judge, known, effect)
            else:
                continue
            self._alerts_moved = True
            if effect.device == self.station:
                judge.codes = frozenset(code for device, _, code in judge.open if device == self.station)

    def _tell(self, judge: Judge, known: _Open, end: ResolveAlert | None) -> None:
        if known.alert.learned_ms >= self._count_from_ms:
            ended_ms, reason = (None, None) if end is None else (end.at_ms, end.reason)
            self._note(judge.side, Episode(known.alert, ended_ms, reason, known.flaps))


def _fold(one: _Device, kind: Kind, message: StoredMessage, mark: Mark) -> Changes:
    """Take a message in. Fields that are the same object as last time need no second look at each."""
    last = one.last
    if last is None or mark < one.mark or message.event is not None:
        return apply(kind, one.facts, None, message.fields, message.parts, mark)
    again: list[tuple[int, list[str]]] = []
    fields, parts = message.fields, message.parts
    if fields is last.fields:
        names = say_again(kind.derived, one.facts, SELF, fields, mark)
        if names:
            again.append((SELF, names))
        fields = {}
    if parts and kind.parts is not None:
        parts = {}
        of, derived = last.parts.get, kind.parts.derived
        for n, inner in message.parts.items():
            if of(n) is not inner:
                parts[n] = inner
            elif names := say_again(derived, one.facts, n, inner, mark):
                again.append((n, names))
    changes = apply(kind, one.facts, None, fields, parts, mark)
    changes.changed.extend(again)
    return changes


def _move_ages(one: _Device) -> None:
    """What was said again is as old as its last saying."""
    mark, last = one.again, one.last
    if mark is None or last is None:
        return
    one.again = None
    facts = one.facts.parts
    facts[SELF].marks.update(dict.fromkeys(last.fields, mark))
    for n, fields in last.parts.items():
        facts[n].marks.update(dict.fromkeys(fields, mark))
