"""A hub in a few lines for tests of rules: fold, rules, deadlines, and the alerts that are open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from devices import fold
from devices.registry import kinds
from devices.state import SELF, DeviceState
from domain.facts import Mark, Value
from domain.ids import DeviceId
from domain.watermark import Watermark
from rules.effects import Ask, Effect, OpenAlert, ResolveAlert
from rules.rulebook import Rulebook, load_rulebook
from rules.watch import Watcher

T0 = 1_795_000_000_000
"""Some moment in November 2026."""
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000

SHIPPED = Path(__file__).parents[2] / "rules" / "rulebook.yaml"

CABINET = DeviceId("331002-0001", "swap_cabinet", 1)
DOOR = DeviceId("331002-0001", "door_lock", 1)
STATION = DeviceId("331002-0001", "station", 0)


@cache
def shipped() -> Rulebook:
    """The rulebook that comes with Waystation."""
    return load_rulebook(SHIPPED.read_text(encoding="utf-8"), version=7)


@dataclass(frozen=True)
class Message:
    """A report (`type` None) or an event of a part; `seq` is its place in the device's order."""

    seq: int
    at_ms: int
    own: Mapping[str, Value] = field(default_factory=dict)
    parts: Mapping[int, Mapping[str, Value]] = field(default_factory=dict)
    type: str | None = None
    part: int = SELF


class Hub:
    """Does with one device what the gateway does, and keeps score."""

    def __init__(self, device: DeviceId, rulebook: Rulebook | None = None) -> None:
        self.device = device
        self.kind = kinds().get(device.kind)
        self.watcher = Watcher(rulebook or shipped(), lambda _: ("椒江万达驿站", "Jiaojiang Wanda"))
        self.state = DeviceState()
        self.seen = Watermark()
        self.open: dict[tuple[int, str], OpenAlert] = {}
        self.opened: list[OpenAlert] = []
        self.resolved: list[ResolveAlert] = []
        self.asked: list[Ask] = []
        self.now_ms = T0
        self.open_codes: Collection[str] = frozenset()
        self.heard_ms: int | None = None
        self.floor_ms = 0

    def say(self, at_s: float = 0.0, **own: Value) -> list[Effect]:
        """A report of the device itself, in order and at once, `at_s` seconds after the begin."""
        return self._next(at_s, own=own)

    def slot(self, n: int, at_s: float = 0.0, **values: Value) -> list[Effect]:
        """A report of one part."""
        return self._next(at_s, parts={n: values})

    def event(self, type_: str, at_s: float = 0.0, part: int = SELF, **values: Value) -> list[Effect]:
        """An event, in order and at once."""
        return self._next(at_s, type_=type_, part=part, values=values)

    def _next(
        self,
        at_s: float,
        own: Mapping[str, Value] | None = None,
        parts: Mapping[int, Mapping[str, Value]] | None = None,
        type_: str | None = None,
        part: int = SELF,
        values: Mapping[str, Value] | None = None,
    ) -> list[Effect]:
        at_ms = T0 + round(at_s * 1000)
        if type_ is not None and self.kind is not None:
            fields = {**self.kind.events[type_].sets, **(values or {})}
            own, parts = (fields, None) if part == SELF else (None, {part: fields})
        message = Message(round(at_s * 1000) + 1, at_ms, own or {}, parts or {}, type_, part)
        effects = self.wait_until(at_ms)
        return effects + self.take(message, max(at_ms, self.now_ms))

    def take(self, message: Message, now_ms: int) -> list[Effect]:
        """Take a message in, whenever it comes; what was seen before is dropped."""
        if self.seen.has(message.seq):
            return []
        self.seen.add(message.seq, None)
        return self.take_again(message, now_ms)

    def take_again(self, message: Message, now_ms: int) -> list[Effect]:
        """The same, without asking whether it was seen before."""
        assert self.kind is not None
        self.now_ms = now_ms
        self.state.seen_ms = now_ms
        mark = Mark(T0, message.seq, message.at_ms)
        changes = fold.apply(self.kind, self.state, None, message.own, message.parts, mark)
        effects: list[Effect] = []
        watcher, device, state = self.watcher, self.device, self.state
        if message.type is not None:
            body = dict(message.parts.get(message.part, message.own))
            effects += watcher.event(device, state, message.type, message.part, message.at_ms, now_ms, body)
        for part, names in changes.changed or [(SELF, [])]:
            effects += watcher.reading(device, state, part, names, now_ms, self.open_codes)
        for part, fields in changes.stale:
            with_own = {**message.own, **fields} if part != SELF else fields
            effects += watcher.history_only(device, state, part, with_own, message.at_ms, now_ms)
        return self.note(effects)

    def wait_until(self, now_ms: int) -> list[Effect]:
        """Time passes; deadlines come when they are due."""
        effects: list[Effect] = []
        for _ in range(1000):
            due_ms = self.watcher.due_at(
                self.device, self.state, heard_ms=self.heard_ms, floor_ms=self.floor_ms
            )
            if due_ms is None or due_ms > now_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            effects += self.note(
                self.watcher.due(
                    self.device,
                    self.state,
                    self.now_ms,
                    heard_ms=self.heard_ms,
                    floor_ms=self.floor_ms,
                    open_codes=self.open_codes,
                )
            )
        else:
            raise AssertionError("a deadline that is met never ends")
        self.now_ms = max(self.now_ms, now_ms)
        return effects

    def wait(self, seconds: float) -> list[Effect]:
        """Until so many seconds after the begin."""
        return self.wait_until(T0 + round(seconds * 1000))

    def reset(self, code: str, part: int = SELF) -> list[Effect]:
        """A person ends an alert."""
        return self.note(self.watcher.reset(self.device, self.state, part, code, self.now_ms))

    def note(self, effects: list[Effect]) -> list[Effect]:
        """Keep score of what followed."""
        for effect in effects:
            if isinstance(effect, OpenAlert):
                key = (effect.part, effect.code)
                if key not in self.open or effect.refuse_entry:
                    self.open[key] = effect
                self.opened.append(effect)
            elif isinstance(effect, ResolveAlert):
                assert (effect.part, effect.code) in self.open, "what is not open cannot end"
                del self.open[effect.part, effect.code]
                self.resolved.append(effect)
            else:
                self.asked.append(effect)
        return effects

    @property
    def codes(self) -> set[str]:
        """Codes of the open alerts."""
        return {code for _, code in self.open}
