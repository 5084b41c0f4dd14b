"""A device whose stored messages are judged again: what is known of it, and quick ways past what is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from devices.derived import Derived
from devices.fold import Changes, apply, say_again
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import STEP_MS, Facts, Mark, StationFact, Value
from domain.ids import DeviceId
from rules.box_maker import BoxMaker
from rules.judges import Judge
from rules.quiet_look import QuietLook
from rules.safe_box import SafeBox
from rules.standing import standing_of
from rules.station_facts import DeviceFacts, half_life_ms
from rules.stored import StoredDevice, StoredMessage

NEVER: Final = 2**62
FOLD_EVERY_MS: Final = 120_000
"""A report that says the same again is folded in at least this often where facts look back."""
PROMPT_MS: Final = 60_000
"""What is older than this on its arrival takes the long way."""
MOST_PUT_OFF: Final = 240
MOST_PATIENCE: Final = 16
_NOWHERE: Final = Mark(-1, -1, -1)
_SHORT_S: Final = 600


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
    counts_time: bool = False
    """Some of its facts look back, and change while nothing else does."""
    told: DeviceFacts = field(default_factory=dict)
    refresh_ms: int = 0
    due_ms: int = NEVER
    last: StoredMessage | None = None
    """The last report that was folded in."""
    mark: Mark = _NOWHERE
    """The highest place in the order of facts so far."""
    again: Mark | None = None
    """Where the last report stands that said the same again and was not folded in."""
    box: SafeBox | None = None
    put_off: list[StoredMessage] = field(default_factory=list)
    """Reports within the box: they are folded in when somebody asks for the facts."""
    patience: int = 0
    tries: int = 0

    def stays_within(self, message: StoredMessage, mark: Mark) -> bool:
        """True when a report lies within the safe box. Then it is put off, and nothing is left to do."""
        box = self.box
        if box is None:
            return False
        since_ms, seq, _ = self.mark
        if (
            message.event is None
            and mark[0] == since_ms
            and mark[1] > seq
            and message.received_ms - message.at_ms < PROMPT_MS
            and box.holds(message.at_ms, message.fields, message.parts)
        ):
            self.mark = mark
            self.put_off.append(message)
            if len(self.put_off) >= MOST_PUT_OFF:
                self.catch_up()
            return True
        self.box = None
        return False

    def look_for_box(self, message: StoredMessage, mark: Mark) -> None:
        """Find a box round a report that was folded in, unless that was in vain lately."""
        if self.maker is None or self.last is not message or mark != self.mark:
            return
        if self.tries > 0:
            self.tries -= 1
            return
        standing = [one for judge, state in self.views for one in standing_of(judge, state)]
        rests = [one for one in standing if one is not None]
        if len(rests) == len(standing):
            self.box = self.maker.box(self.facts, message.at_ms, message.fields, message.parts, rests)
        self.patience = 0 if self.box is not None else min(2 * self.patience + 1, MOST_PATIENCE)
        self.tries = self.patience

    def catch_up(self) -> None:
        """Fold in what was put off: the last report tells what is, all of them what looks back remembers."""
        put_off = self.put_off
        if not put_off or self.kind is None:
            self.move_ages()
            return
        self.put_off = []
        last = put_off[-1]
        self.last, self.again = last, None
        parts = self.facts.parts
        times = [message.at_ms for message in put_off]
        own = _take_last(parts[SELF], last.fields, self.mark, self.kind.derived)
        for one in own:
            _look_back(one, parts[SELF], times, [message.fields[one.source] for message in put_off])
        derived = self.kind.parts.derived if self.kind.parts else ()
        for n, fields in last.parts.items():
            for one in _take_last(parts[n], fields, self.mark, derived):
                _look_back(one, parts[n], times, [message.parts[n][one.source] for message in put_off])

    def tell_again(self) -> None:
        """What is told of the station is the same within the box, and as young as the last report."""
        at_ms = self.mark.at_ms
        self.told = {
            name: StationFact(one.value, at_ms, at_ms + one.valid_until_ms - one.as_of_ms)
            for name, one in self.told.items()
        }
        self.refresh_ms = half_life_ms(self.told)

    def says_again(self, message: StoredMessage, mark: Mark) -> bool:
        """True when a report says what is known and nothing waits for time to pass: only ages move then.

        Fields that are equal are one object here. Now and then it is folded in all the same, so that facts
        which count time are brought up to date: as the gateway does it.
        """
        last = self.last
        if last is None or message.fields is not last.fields or mark < self.mark:
            return False
        if message.parts is not last.parts:
            if len(message.parts) != len(last.parts):
                return False
            of = last.parts.get
            for n, fields in message.parts.items():
                if of(n) is not fields:
                    return False
        for _, state in self.views:
            if state.watch or state.clock_fault:
                return False
        if self.counts_time and (
            mark.at_ms - last.at_ms > FOLD_EVERY_MS or mark.at_ms // STEP_MS != last.at_ms // STEP_MS
        ):
            return False
        self.mark = self.again = mark
        return True

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

    def move_ages(self) -> None:
        """What was said again is as old as its last saying."""
        mark, last = self.again, self.last
        if mark is None or last is None:
            return
        self.again = None
        facts = self.facts.parts
        facts[SELF].marks.update(dict.fromkeys(last.fields, mark))
        for n, fields in last.parts.items():
            facts[n].marks.update(dict.fromkeys(fields, mark))


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
        counts_time=bool(kind.derived or (kind.parts is not None and kind.parts.derived)),
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


def _take_last(
    facts: Facts, fields: Mapping[str, Value], mark: Mark, derived: tuple[Derived, ...]
) -> list[Derived]:
    facts.values.update(fields)
    facts.marks.update(dict.fromkeys(fields, mark))
    return [one for one in derived if one.source in fields]


def _look_back(one: Derived, facts: Facts, times: list[int], values: list[Value]) -> None:
    """Give a derived fact what was said meanwhile: all that a short one can see, of a long one's the ends
    of each run of equal values."""
    name, over_s = one.name, getattr(one, "over_s", None)
    memory, value = facts.memory.get(name), facts.values.get(name)
    final = len(times) - 1
    begin = 0
    if over_s is not None:
        floor_ms = times[-1] - over_s * 1000
        begin = final
        while begin > 0 and times[begin] > floor_ms:
            begin -= 1
    every = over_s is not None and over_s <= _SHORT_S
    for at in range(begin, final + 1):
        said = values[at]
        if every or at in (begin, final) or values[at - 1] != said or values[at + 1] != said:
            memory, value = one.update(memory, said, times[at])
    facts.memory[name], facts.values[name] = memory, value
