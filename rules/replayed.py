"""A device whose stored messages are judged again: what is known of it, and quick ways past what is well."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from devices.fold import Changes, apply, say_again
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Mark
from domain.ids import DeviceId
from rules.box_maker import BoxMaker
from rules.judges import Judge
from rules.put_off import PutOff
from rules.quiet_look import QuietLook
from rules.safe_box import SafeBox
from rules.standing import standing_of
from rules.station_facts import DeviceFacts, half_life_ms
from rules.stored import StoredDevice, StoredMessage
from rules.told_bounds import Bounds
from rules.told_on import told_on
from rules.track import GAP_MS, Track

NEVER: Final = 2**62
MOST_PATIENCE: Final = 16
FIRST_AHEAD: Final = 32
"""How many reports are looked at ahead; twice as many whenever all of them were within the box."""
_NOWHERE: Final = Mark(-1, -1, -1)


@dataclass(slots=True)
class ReplayedDevice:
    """A device under judgement: one set of facts, and for each judge what is under way."""

    device: DeviceId
    kind: Kind | None
    """None for the station itself."""
    speaker: DeviceId
    facts: DeviceState
    views: list[tuple[Judge, DeviceState]]
    quiet: list[QuietLook] = field(default_factory=list)
    """For each view, the quick way to see that nothing is wrong."""
    maker: BoxMaker | None = None
    exports: bool = False
    sources: frozenset[str] | None = None
    """The facts of which that is made which it tells of the station; None when nobody knows."""
    told: DeviceFacts = field(default_factory=dict)
    refresh_ms: int = 0
    due_ms: int = NEVER
    last: StoredMessage | None = None
    """The last report that was folded in."""
    mark: Mark = _NOWHERE
    """The highest place in the order of facts so far."""
    box: SafeBox | None = None
    bounds: Bounds | None = None
    """Within which what is told of the station may move without anybody looking."""
    kept: Bounds | None = None
    """The bounds to which the box keeps."""
    track: Track | None = None
    at: int = 0
    """The first report of the track that was not passed yet."""
    end: int = 0
    """The first report that must be looked at: those before it are within the box. Or so far was looked."""
    ahead: int = 0
    """How many reports were looked at ahead, when all were within the box and there are more; else 0."""
    next_ms: int = NEVER
    """When that one was received."""
    since_ms: int = -1
    """When the run of the track's speaker began."""
    told_at: tuple[int, DeviceFacts] = (0, {})
    """What was told when the box was entered, and before which report."""
    put_off: PutOff = field(default_factory=PutOff)
    """Reports within the box: they are folded in when somebody asks."""
    restless: bool = False
    """What is told of the station may have moved since it was told."""
    patience: int = 0
    tries: int = 0

    def begin(self, track: Track) -> None:
        """More reports. What is known of those before is brought up to date."""
        self.finish()
        before = self.track
        self.track, self.at = track, 0
        if before is None or track.received_ms[0] - before.received_ms[-1] > GAP_MS:
            track.gaps.insert(0, 0)
        same_run = before is not None and (before.speaker, before.boot) == (track.speaker, track.boot)
        if not same_run or track.heads.seq[0] <= self.mark.seq or track.at_ms[0] <= self.mark.at_ms:
            self.leave_box()
        self._look_ahead()

    def finish(self) -> None:
        """All reports of the track have come."""
        if self.track is not None:
            self.pass_to(NEVER)
            self.catch_up()
            self.at = self.end = len(self.track)
            self.next_ms = NEVER

    def pass_to(self, now_ms: int) -> None:
        """Put off what was received before this moment, as far as it is within the box."""
        track, at = self.track, self.at
        if track is None or at >= self.end:
            return
        self._pass_until(bisect_left(track.received_ms, now_ms, at, self.end))

    def _pass_until(self, upto: int) -> None:
        track, at = self.track, self.at
        if track is None or upto <= at:
            return
        self.put_off.add(track, at, upto)
        if self.box is not None and self.box.restless:
            self.restless = True
        self.at = upto
        self.mark = Mark(self.since_ms, track.heads.seq[upto - 1], track.at_ms[upto - 1])
        for _, state in self.views:
            state.seen_ms = track.received_ms[upto - 1]

    def goes_on(self) -> bool:
        """Look farther ahead where nobody has yet; False when the next report must be looked at."""
        if not self.ahead:
            return False
        self._pass_until(self.end)
        self._look_ahead(2 * self.ahead)
        return True

    def take_next(self) -> StoredMessage:
        """The report that must be looked at now."""
        assert self.track is not None
        self._pass_until(self.end)
        message = self.track.message(self.end)
        self.at = self.end + 1
        return message

    def leave_box(self) -> bool:
        """From here on every report is looked at, until another box is found. True when less is known of how
        long that counts which is told."""
        shorter = self.box is not None and bool(self.told)
        if shorter and self.track is not None:
            begin, told = self.told_at
            self.told, _ = told_on(told, self.track, begin, self.at)
            self.refresh_ms = half_life_ms(self.told)
        self.box = None
        self._look_ahead()
        return shorter

    def _look_ahead(self, ahead: int = FIRST_AHEAD) -> None:
        track = self.track
        if track is None:
            return
        stop = min(self.at + ahead, len(track))
        self.end = self.at if self.box is None else self.box.end_of(track, self.at, stop)
        if self.told and self.box is not None:
            self.told_at = self.at, self.told
            self.told, self.end = told_on(self.told, track, self.at, self.end)
            self.refresh_ms = half_life_ms(self.told)
        self.ahead = ahead if self.at < self.end == stop < len(track) else 0
        self.next_ms = track.received_ms[self.end] if self.end < len(track) else NEVER

    def spoken_for_by(self, speaker: DeviceId) -> bool:
        """True when its reports come from this speaker now."""
        return self.track is not None and self.track.speaker == speaker

    def heard_until(self) -> int:
        """Until when reports are sure to come in one after the other; -1 when nobody knows."""
        track = self.track
        if track is None or self.at >= len(track):
            return -1
        gap = bisect_left(track.gaps, self.at)
        end = track.gaps[gap] if gap < len(track.gaps) else len(track)
        return track.received_ms[end - 1] if end > self.at else -1

    def look_for_box(self, message: StoredMessage, mark: Mark) -> None:
        """Find a box round a report that was folded in, unless that was in vain lately."""
        if self.maker is None or self.last is not message or mark != self.mark or self.track is None:
            return
        if self.tries > 0:
            self.tries -= 1
            return
        standing = [one for judge, state in self.views for one in standing_of(judge, state)]
        rests = [one for one in standing if one is not None]
        if len(rests) == len(standing):
            self.kept = self.bounds
            self.box = self.maker.box(
                self.facts, message.at_ms, message.fields, message.parts, rests, self.bounds
            )
        self.patience = 0 if self.box is not None else min(2 * self.patience + 1, MOST_PATIENCE)
        self.tries = self.patience
        self._look_ahead()

    def catch_up(self, names: Collection[str] | None = None) -> None:
        """Fold in what was put off: the last report tells what is, all of them what looks back remembers.
        With `names`, of what looks back only that."""
        if self.put_off and self.kind is not None:
            self.last = self.put_off.take_in(self.facts, self.last, self.mark)
            self.put_off.look_back(self.kind, self.facts, names)

    def tell(self, facts: DeviceFacts) -> None:
        """Tell this of the station from now on."""
        self.told = facts
        self.refresh_ms = half_life_ms(facts)
        if self.track is not None and self.box is not None:
            self.told_at = self.at, facts
            self.told, _ = told_on(facts, self.track, self.at, self.end)

    def fold(self, message: StoredMessage, mark: Mark) -> Changes:
        """Take a message in. Fields that are the same object as last time need no second look at each."""
        kind, last = self.kind, self.last
        assert kind is not None
        if last is None or mark < self.mark or message.event is not None:
            return apply(kind, self.facts, None, message.fields, message.parts, mark)
        again: list[tuple[int, list[str]]] = []
        fields, parts = message.fields, message.parts
        if fields is last.fields:
            names = say_again(kind.derived, self.facts, SELF, fields, mark)
            if names:
                again.append((SELF, names))
            fields = {}
        if parts and kind.parts is not None:
            parts = {}
            of, derived = last.parts.get, kind.parts.derived
            for n, inner in message.parts.items():
                if of(n) is not inner:
                    parts[n] = inner
                elif names := say_again(derived, self.facts, n, inner, mark):
                    again.append((n, names))
        changes = apply(kind, self.facts, None, fields, parts, mark)
        changes.changed.extend(again)
        return changes


def replayed_device(
    member: StoredDevice, judges: Iterable[Judge], roles: set[str], makers: dict[str, BoxMaker]
) -> ReplayedDevice:
    """A device of which nothing is known yet. `roles` are those that rules over the station look at;
    `makers` keeps what devices of one kind share."""
    state, kind, judges = DeviceState(), member.kind, list(judges)
    views = views_of(judges, kind.name, state)
    if kind.name not in makers:
        rules = [rule for judge in judges for rule in judge.watcher.rulebook.for_kind(kind.name)]
        makers[kind.name] = BoxMaker(kind, rules)
    return ReplayedDevice(
        member.device,
        kind,
        member.speaker,
        state,
        views,
        [QuietLook(judge.watcher.rulebook, kind) for judge, _ in views],
        makers[kind.name],
        exports=any(export.role in roles for export in kind.exports),
        sources=_sources(kind),
    )


def views_of(
    judges: Iterable[Judge], kind: str, share: DeviceState | None
) -> list[tuple[Judge, DeviceState]]:
    """The judges that have rules for a kind. Facts are folded once; what each has under way is its own."""
    return [
        (judge, DeviceState() if share is None else DeviceState(parts=share.parts))
        for judge in judges
        if judge.watcher.rulebook.for_kind(kind)
    ]


def _sources(kind: Kind) -> frozenset[str] | None:
    found: set[str] = set()
    for export in kind.exports:
        if export.sources is None:
            return None
        found.update(export.sources)
    return frozenset(found)
