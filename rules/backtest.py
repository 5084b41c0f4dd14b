"""What rules would have said: the stored messages of one station, judged again on simulated time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from devices.state import SELF, DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.boot_clocks import BootClocks
from rules.box_maker import BoxMaker
from rules.calendar import Calendar
from rules.effects import Effect
from rules.heard import Heard
from rules.judges import Judge
from rules.premises import told_for
from rules.quiet_look import QuietLook
from rules.replayed import NEVER, ReplayedDevice, replayed_device
from rules.replayed_station import ReplayedStation
from rules.side_by_side import Side
from rules.station_view import Timetables
from rules.stored import Episode, Reset, StoredMessage, StoredStation
from rules.track import Hours

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
        resets: Iterable[Reset] = (),
        timetables: Timetables | None = None,
    ) -> None:
        self._judges = list(judges)
        self._away = away
        self._count_from_ms = count_from_ms
        self._note = note
        self._resets = deque(resets)
        self._clocks = BootClocks(station.boots)
        self._begin_ms = self._now_ms = begin_ms
        self._alerts_moved = False
        self.station = edge_box(station.id)
        rules = [rule for judge in self._judges for rule in judge.watcher.rulebook.station_rules]
        told = told_for(name for rule in rules for name in rule.reads)
        roles = {name.partition(".")[0] for name in told}
        makers: dict[str, BoxMaker] = {}
        made = (replayed_device(one, self._judges, roles, makers) for one in station.devices)
        self._devices = {one.device: one for one in made}
        self._whole = ReplayedStation(
            station, self._judges, self._devices.values(), timetables or Timetables(Calendar()),
            self._take_effects,
        )  # fmt: skip
        self._box = self._whole.one
        self._members = list(self._devices.values())
        self._heard = Heard(self._members)
        self._all = [*self._members, self._box]
        self._next_ms = NEVER

    @property
    def put_off(self) -> int:
        """How many reports were within safe bounds."""
        return sum(one.put_off.count for one in self._members)

    def take_all(self, hours: Hours) -> None:
        """Take in what came in some hours."""
        for track in hours.tracks:
            self._devices[track.device].begin(track)
        last_ms = self._heard.begin(hours.tracks)
        singles = deque(hours.singles)
        while True:
            now_ms = singles[0].received_ms if singles else NEVER
            next_one: ReplayedDevice | None = None
            for one in self._members:
                if one.next_ms < now_ms:
                    now_ms, next_one = one.next_ms, one
            if self._let_time_pass(last_ms if now_ms == NEVER else now_ms):
                continue
            if next_one is not None:
                if not next_one.goes_on():
                    self._take(next_one.take_next())
            elif singles:
                self._take(singles.popleft())
            else:
                break
        for one in self._members:
            one.finish()

    def take(self, message: StoredMessage) -> None:
        """Let the time until this message pass, and take it in."""
        self._pass_time(message.received_ms)
        self._take(message)

    def _let_time_pass(self, until_ms: int) -> bool:
        """Do what comes first up to this moment, before what is heard then; False when nothing does."""
        due_ms = self._away.awake_ms(self._next_ms)
        reset_ms = self._resets[0].at_ms if self._resets else NEVER
        look_ms = NEVER
        if self._whole.is_watching:
            # Whatever is heard next makes it worth looking at what has expired.
            after_ms = max(self._whole.told.until_ms, self._now_ms + 1)
            look_ms = self._heard.next_ms(after_ms)
        if due_ms <= min(until_ms, reset_ms, look_ms):
            self._now_ms = due_ms
            self._pass_moment(due_ms)
        elif reset_ms < min(until_ms, look_ms + 1):
            self._now_ms = max(self._now_ms, reset_ms)
            self._reset(self._resets.popleft())
        elif look_ms < until_ms:
            self._now_ms = look_ms
            self._judge_station(look_ms, force=False, moved=False, heard=True)
        else:
            return False
        return True

    def _take(self, message: StoredMessage) -> None:
        now_ms, event = message.received_ms, message.event
        self._now_ms = now_ms
        one = self._devices.get(message.device)
        if one is None or one.kind is None:
            return
        one.pass_to(now_ms)
        if one.leave_box():
            self._whole.told.until_ms = 0
        self._heard.note(message.speaker, now_ms)
        mark, fault = self._clocks.place(message)
        one.since_ms = mark.boot_since_ms
        clock_moved = fault is not None and self._note_clock(message.speaker, fault)
        for _, state in one.views:
            state.seen_ms = now_ms
        moved = False
        if event is None or not event.startswith("reply."):
            one.catch_up()
            moved = self._take_in(one, message, mark)
            self._plan(one, now_ms)
            one.look_for_box(message, mark)
        if one.due_ms == NEVER:
            self._plan(one, now_ms)
        self._judge_station(now_ms, force=clock_moved, moved=moved, heard=True)

    def _take_in(self, one: ReplayedDevice, message: StoredMessage, mark: Mark) -> bool:
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
            return self._whole.refresh(one, now_ms)
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
        one.leave_box()
        self._whole.told.until_ms = 0
        for _, state in one.views:
            state.clock_fault = fault
        return True

    def _judge_station(self, now_ms: int, *, force: bool, moved: bool, heard: bool) -> None:
        force, self._alerts_moved = force or self._alerts_moved, False
        box_ms = partial(self._heard.before, self.station, now_ms + 1)
        if self._whole.judge(now_ms, box_ms, force=force, moved=moved, heard=heard):
            self._plan(self._box, now_ms)
        self._alerts_moved = False

    def _pass_time(self, until_ms: int) -> None:
        """Everything that falls due up to this moment. While the hub was away, nobody looked."""
        while self._let_time_pass(until_ms):
            pass

    def _pass_moment(self, now_ms: int) -> None:
        for one in self._all:
            if one.due_ms <= now_ms:
                self._look(one, now_ms)
        if self._alerts_moved:
            self._judge_station(now_ms, force=True, moved=False, heard=False)
        self._next_ms = min((one.due_ms for one in self._all), default=NEVER)

    def _look(self, one: ReplayedDevice, now_ms: int) -> None:
        one.pass_to(now_ms)
        one.due_ms = NEVER
        if one is self._box:
            # A deadline is met with what is true now, not with what was last told.
            self._judge_station(now_ms, force=True, moved=False, heard=False)
        heard_ms, floor_ms = self._heard.speaker_of(one, now_ms), self._floor_ms(now_ms)
        for judge, state in one.views:
            if one is self._box:
                state.seen_ms = self._heard.before(self.station, now_ms)
            due_ms = judge.watcher.due_at(one.device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            if due_ms is not None and due_ms <= now_ms:
                one.leave_box()
                one.catch_up()
                effects = judge.watcher.due(
                    one.device, state, now_ms,
                    heard_ms=heard_ms, floor_ms=floor_ms, open_codes=judge.open_codes(),
                )  # fmt: skip
                self._take_effects(judge, effects)
        self._plan(one, now_ms, anew=True)

    def _plan(self, one: ReplayedDevice, now_ms: int, *, anew: bool = False) -> None:
        """Set when to look again. A look that is planned may turn out to be too early, never too late."""
        due_ms = NEVER if anew else one.due_ms
        views = [view for view in one.views if due_ms == NEVER or view[1].watch]
        sure_ms = self._heard.sure_ms(one) if views else -1
        for judge, state in views:
            heard_ms, floor_ms = self._heard.speaker_of(one, now_ms), self._floor_ms(now_ms)
            seen_ms = state.seen_ms
            if seen_ms is not None and sure_ms > seen_ms:
                state.seen_ms = sure_ms
            at_ms = judge.watcher.due_at(one.device, state, heard_ms=heard_ms, floor_ms=floor_ms)
            state.seen_ms = seen_ms
            if at_ms is not None:
                due_ms = min(due_ms, max(at_ms, now_ms + SOONEST_MS))
        if one is self._box:
            wake_ms = self._whole.told.wake_ms(waits=self._whole.is_watching)
            due_ms = min(due_ms, max(wake_ms, now_ms + SOONEST_MS))
        one.due_ms = due_ms
        self._next_ms = min(self._next_ms, due_ms)

    def _floor_ms(self, now_ms: int) -> int:
        return max(self._begin_ms, self._away.floor_ms(now_ms))

    def _reset(self, reset: Reset) -> None:
        """A person ended this alert then: whoever has it open ends it, too."""
        at_ms, device, part, code = reset
        one = self._box if device == self.station else self._devices.get(device)
        if one is None:
            return
        one.pass_to(at_ms)
        one.leave_box()
        one.catch_up()
        for judge, state in one.views:
            self._take_effects(judge, judge.watcher.reset(device, state, part, code, at_ms))
        self._plan(one, at_ms)

    def end(self, end_ms: int) -> None:
        """Let the rest of the period pass, and tell of what is still open then."""
        self._pass_time(end_ms)
        for judge in self._judges:
            judge.end(self._tell)

    def _take_effects(self, judge: Judge, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if judge.take(effect, self.station, self._tell):
                self._alerts_moved = True

    def _tell(self, judge: Judge, episode: Episode) -> None:
        if episode.alert.learned_ms >= self._count_from_ms:
            self._note(judge.side, episode)
