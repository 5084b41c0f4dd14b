"""What rules would have said: the stored messages of one station, judged again on simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.boot_clocks import BootClocks
from rules.box_maker import BoxMaker
from rules.effects import Effect
from rules.judges import Judge
from rules.quiet_look import QuietLook
from rules.replayed import NEVER, ReplayedDevice, replayed_device, views_of
from rules.rule import CLOCK_FAULT, STATION
from rules.side_by_side import Side
from rules.station_facts import by_role, differ, facts_of, half_life_ms, newest_ms
from rules.stored import Episode, StoredMessage, StoredStation

SOONEST_MS: Final = 200
"""A deadline that has come but cannot be met yet is looked at again after this."""


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
        self._clocks = BootClocks(station.boots)
        self.put_off = 0
        """How many reports were within safe bounds."""
        self._heard: dict[DeviceId, int] = {}
        self._alerts_moved = False
        self.station = edge_box(station.id)
        rules = [rule for judge in self._judges for rule in judge.watcher.rulebook.station_rules]
        roles = {name.partition(".")[0] for rule in rules for name in rule.reads}
        makers: dict[str, BoxMaker] = {}
        self._devices = {
            one.device: replayed_device(one, self._judges, roles, makers) for one in station.devices
        }
        box = self.station
        self._box = ReplayedDevice(box, None, box, DeviceState(), views_of(self._judges, STATION, None))
        self._facts: dict[str, Value] = {}
        self._facts_until_ms = 0
        self._judged_facts: list[dict[str, Value]] = [{} for _ in self._box.views]
        silences = [rule.silent_ms for rule in rules if rule.silent_ms is not None]
        self._shortest_silence_ms = min(silences, default=NEVER)
        self._telling = [one for one in self._devices.values() if one.exports]
        self._all = [*self._devices.values(), self._box]
        self._next_ms = NEVER

    def take(self, message: StoredMessage) -> None:
        """Let the time until this message pass, and take it in."""
        now_ms, event = message.received_ms, message.event
        if now_ms >= self._next_ms:
            self.pass_time(now_ms)
        one = self._devices.get(message.device)
        if one is None or one.kind is None:
            return
        self._heard[message.speaker] = now_ms
        mark, fault = self._clocks.place(message)
        clock_moved = fault is not None and self._note_clock(message.speaker, fault)
        for _, state in one.views:
            state.seen_ms = now_ms
        moved = False
        if one.stays_within(message, mark):
            self.put_off += 1
        elif event is None and one.says_again(message, mark):
            if one.exports and one.refresh_ms <= mark.at_ms:
                one.move_ages()
                moved = self._refresh(one, one.kind, now_ms)
            one.look_for_box(message, mark)
        elif event is None or not event.startswith("reply."):
            one.catch_up()
            moved = self._take_in(one, one.kind, message, mark)
            self._plan(one, now_ms)
            one.look_for_box(message, mark)
        if one.due_ms == NEVER:
            self._plan(one, now_ms)
        self._judge_station(now_ms, everyone=moved or clock_moved, heard=True)

    def _take_in(self, one: ReplayedDevice, kind: Kind, message: StoredMessage, mark: Mark) -> bool:
        """Fold a message in and let the rules look; returns whether what the station is told moved."""
        now_ms, event = message.received_ms, message.event
        changes = one.fold(message, mark)
        one.last = message if event is None and mark > one.mark else None
        one.mark = max(one.mark, mark)
        for at, (judge, state) in enumerate(one.views):
            if event is not None:
                effects = judge.watcher.event(
                    message.device, state, event, message.part, mark.at_ms, now_ms, message.body
                )
                self._take_effects(judge, effects)
            self._judge(judge, one, state, one.quiet[at], message, changes.changed, changes.stale)
        if one.exports and (changes.changed or one.refresh_ms <= mark.at_ms):
            return self._refresh(one, kind, now_ms)
        return False

    def _judge(
        self,
        judge: Judge,
        one: ReplayedDevice,
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

    def _note_clock(self, speaker: DeviceId, fault: bool) -> bool:
        one = self._box if speaker == self.station else self._devices.get(speaker)
        if one is None or one.facts.clock_fault == fault:
            return False
        one.facts.clock_fault = fault
        one.box = None
        self._facts_until_ms = 0
        for _, state in one.views:
            state.clock_fault = fault
        return True

    def _refresh(self, one: ReplayedDevice, kind: Kind, now_ms: int) -> bool:
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
        box_ms = self._heard.get(self.station)
        for at, (judge, state) in enumerate(self._box.views):
            if everyone or (heard and state.watch and self._may_move(at, state, box_ms, now_ms)):
                facts = self._facts_now(now_ms)
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

    def _may_move(self, at: int, state: DeviceState, box_ms: int | None, now_ms: int) -> bool:
        """True when what is under way may go on: other facts than at the last look, or an end of silence."""
        if self._judged_facts[at] != self._facts_now(now_ms):
            return True
        seen_ms = state.seen_ms
        return seen_ms is None or (box_ms is not None and box_ms - seen_ms >= self._shortest_silence_ms)

    def _facts_now(self, now_ms: int) -> dict[str, Value]:
        if now_ms >= self._facts_until_ms:
            for one in self._telling:
                if one.put_off:
                    one.tell_again()
            self._facts, self._facts_until_ms = self._read_facts(now_ms)
        return self._facts

    def _read_facts(self, now_ms: int) -> tuple[dict[str, Value], int]:
        """What the devices tell of their station now, and until when nothing of it expires."""
        told = {one.device.short: one.told for one in self._devices.values() if one.told}
        facts = by_role(self._station.devices, told, now_ms)
        facts[CLOCK_FAULT] = self._box.facts.clock_fault
        ends = [f.valid_until_ms for own in told.values() for f in own.values() if f.valid_until_ms > now_ms]
        return facts, min(ends, default=NEVER)

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
            self._next_ms = min((one.due_ms for one in self._all), default=NEVER)

    def _look(self, one: ReplayedDevice, now_ms: int) -> bool:
        device, heard_ms, floor_ms = one.device, self._heard_ms(one), self._floor_ms(now_ms)
        looked = False
        one.due_ms = NEVER
        for judge, state in one.views:
            if one is self._box:
                state.seen_ms = self._heard.get(self.station)
            due_ms = judge.watcher.due_at(device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            if due_ms is not None and due_ms <= now_ms:
                looked = True
                one.catch_up()
                one.box = None
                effects = judge.watcher.due(
                    device, state, now_ms,
                    heard_ms=heard_ms, floor_ms=floor_ms, open_codes=judge.open_codes(),
                )  # fmt: skip
                self._take_effects(judge, effects)
                due_ms = judge.watcher.due_at(device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            if due_ms is not None:
                one.due_ms = min(one.due_ms, max(due_ms, now_ms + SOONEST_MS))
        return looked and one is self._box

    def _plan(self, one: ReplayedDevice, now_ms: int) -> None:
        """Set when to look again. A look that is planned may turn out to be too early, never too late."""
        due_ms = one.due_ms
        for judge, state in one.views:
            if due_ms == NEVER or state.watch:
                at_ms = judge.watcher.due_at(
                    one.device, state, heard_ms=self._heard_ms(one), floor_ms=self._floor_ms(now_ms)
                )
                if at_ms is not None:
                    due_ms = min(due_ms, max(at_ms, now_ms + SOONEST_MS))
        one.due_ms = due_ms
        self._next_ms = min(self._next_ms, due_ms)

    def _heard_ms(self, one: ReplayedDevice) -> int | None:
        return None if one.speaker == one.device else self._heard.get(one.speaker, 0)

    def _floor_ms(self, now_ms: int) -> int:
        return max(self._begin_ms, self._away.floor_ms(now_ms))

    def reset(self, device: DeviceId, part: int, code: str, at_ms: int) -> None:
        """A person ended this alert then: whoever has it open ends it, too."""
        self.pass_time(at_ms)
        one = self._box if device == self.station else self._devices.get(device)
        if one is not None:
            one.catch_up()
            one.box = None
        for judge, state in one.views if one is not None else ():
            self._take_effects(judge, judge.watcher.reset(device, state, part, code, at_ms))
        if one is not None:
            self._plan(one, at_ms)

    def end(self, end_ms: int) -> None:
        """Let the rest of the period pass, and tell of what is still open then."""
        self.pass_time(end_ms)
        for judge in self._judges:
            judge.end(self._tell)

    def _take_effects(self, judge: Judge, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if judge.take(effect, self.station, self._tell):
                self._alerts_moved = True

    def _tell(self, judge: Judge, episode: Episode) -> None:
        if episode.alert.learned_ms >= self._count_from_ms:
            self._note(judge.side, episode)
