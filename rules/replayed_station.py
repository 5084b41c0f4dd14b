"""A station whose stored messages are judged again: the rules over all of it, and when they must look."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from devices.state import DeviceState
from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.effects import Effect
from rules.judges import Judge
from rules.replayed import NEVER, ReplayedDevice, views_of
from rules.rule import STATION
from rules.station_box import StationBox, covers, moves_out
from rules.station_facts import differ, facts_of, wants_renewal
from rules.station_view import Timetables
from rules.stored import StoredStation
from rules.told_station import ToldStation

Take = Callable[[Judge, Iterable[Effect]], None]


class ReplayedStation:
    """`one` is the station as a device of its own, without facts. What follows goes to `take`."""

    def __init__(
        self,
        station: StoredStation,
        judges: list[Judge],
        devices: Iterable[ReplayedDevice],
        timetables: Timetables,
        take: Take,
    ) -> None:
        self.device: DeviceId = edge_box(station.id)
        self.one = ReplayedDevice(
            self.device, None, self.device, DeviceState(), views_of(judges, STATION, None)
        )
        self._take = take
        self._telling = [one for one in devices if one.exports]
        self.told = ToldStation(station, self._telling, timetables)
        rules = [rule for judge in judges for rule in judge.watcher.rulebook.station_rules]
        self._box = StationBox(rules)
        self._judged: list[dict[str, Value]] = [{} for _ in self.one.views]
        silences = [rule.silent_ms for rule in rules if rule.silent_ms is not None]
        self._shortest_silence_ms = min(silences, default=NEVER)

    @property
    def is_watching(self) -> bool:
        """True while a rule has something under way."""
        return any(state.watch for _, state in self.one.views)

    def refresh(self, one: ReplayedDevice, now_ms: int) -> bool:
        """Read again what a device tells; True when the rules over the station must look at it."""
        assert one.kind is not None
        facts = facts_of(one.kind, one.facts, now_ms)
        one.restless = False
        moved, _ = differ(one.kind, one.told, facts)
        if not moved and not wants_renewal(one.told, facts):
            return False
        out = moved and moves_out(one.bounds, one.told, facts)
        one.tell(facts)
        self.told.until_ms = 0
        return out

    def judge(
        self, now_ms: int, heard_ms: Callable[[], int | None], *, force: bool, moved: bool, heard: bool
    ) -> bool:
        """Let the rules look, if anything that they see may have changed; False when they did not.

        `force` whatever is known, `moved` because a device told something else, `heard` because a message
        came in. `heard_ms` says when the box was heard last.
        """
        views = self.one.views
        if not views:
            return False
        if not force and not moved:
            if views[0][1].seen_ms is None:
                self._hear(heard_ms())
                return True
            if not heard or not self.is_watching:
                return False
            if self._box.limits is not None and now_ms < self.told.until_ms:
                return False
        if not force and (self._is_well(now_ms) or not (moved or self._may_move(now_ms, heard_ms()))):
            return False
        self.told.renew(now_ms)
        self._hear(heard_ms())
        for at, (judge, state) in enumerate(views):
            facts = self._judged[at] = self._facts(judge, now_ms)
            self._take(judge, judge.watcher.station(self.device, state, facts, now_ms, judge.open_codes()))
        self._find_box(now_ms)
        return True

    def _hear(self, heard_ms: int | None) -> None:
        for _, state in self.one.views:
            state.seen_ms = heard_ms

    def _facts(self, judge: Judge, now_ms: int) -> dict[str, Value]:
        return self.told.facts(now_ms, self.one.facts.clock_fault, judge.alarm)

    def _is_well(self, now_ms: int) -> bool:
        return self._box.limits is not None and self._box.holds(self._facts(self.one.views[0][0], now_ms))

    def _may_move(self, now_ms: int, heard_ms: int | None) -> bool:
        """True when what is under way may go on: other facts than at the last look, or an end of silence."""
        for at, (judge, state) in enumerate(self.one.views):
            seen_ms = state.seen_ms
            if self._judged[at] != self._facts(judge, now_ms) or seen_ms is None:
                return True
            if heard_ms is not None and heard_ms - seen_ms >= self._shortest_silence_ms:
                return True
        return False

    def _find_box(self, now_ms: int) -> None:
        alarms = {judge.alarm for judge, _ in self.one.views}
        if len(alarms) > 1 or self.one.facts.clock_fault:
            self._box.limits = None
        else:
            self._box.find(self._facts(self.one.views[0][0], now_ms), self.one.views, now_ms)
        for one in self._telling:
            assert one.kind is not None
            one.bounds = self._box.bounds(one.kind)
            if one.box is not None and not covers(one.kept, one.bounds):
                one.pass_to(now_ms + 1)
                if one.leave_box():
                    self.told.until_ms = 0
