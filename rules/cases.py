"""The cases beside a rule, run: a short story of reports, and whether its alert came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts, Mark, Value
from domain.ids import DeviceId
from rules.effects import Effect, OpenAlert, ResolveAlert
from rules.rule import ANY_KIND, CLOCK_FAULT, STATION, Case, Rule, Step
from rules.watch import Watcher

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

_BEGIN_MS = 1_800_000_000_000
_PART = 1


def failures(rule: Rule, rulebook: Rulebook) -> Iterator[tuple[int, str]]:
    """The line of each case that failed, and what came instead."""
    for case in rule.cases:
        opened, still_open = _run(rule, case, rulebook)
        said = None
        if case.wanted == "must_fire" and not opened:
            said = "must fire, and stayed silent"
        elif case.wanted == "must_not" and opened:
            said = "must not fire, and did"
        elif case.wanted == "must_clear" and not opened:
            said = "must fire and clear, and never fired"
        elif case.wanted == "must_clear" and still_open:
            said = "must clear, and stayed open"
        if said is not None:
            yield case.line, f"{rule.code}: {said}"


def _run(rule: Rule, case: Case, rulebook: Rulebook) -> tuple[bool, bool]:
    watcher = Watcher(rulebook)
    # A rule for every kind shows on any of them.
    name = next(iter(rulebook.kinds)) if rule.kind == ANY_KIND else rule.kind
    kind = rulebook.kinds.get(name)
    device = DeviceId("331002-0001", kind.name if kind else STATION, 1 if kind else 0)
    state = DeviceState()
    story = _Story(watcher, device, state, kind, rule)
    for step in case.steps:
        story.wait_until(_BEGIN_MS + step.at_ms)
        story.take(step)
    return story.opened, story.still_open


class _Story:
    def __init__(
        self, watcher: Watcher, device: DeviceId, state: DeviceState, kind: Kind | None, rule: Rule
    ) -> None:
        self._watcher = watcher
        self._device = device
        self._state = state
        self._kind = kind
        self._rule = rule
        self._told: dict[str, Value] = {}
        self.opened = False
        self.still_open = False

    def wait_until(self, now_ms: int) -> None:
        watcher, device, state = self._watcher, self._device, self._state
        for _ in range(100):
            due_ms = watcher.due_at(device, state, heard_ms=None, floor_ms=0)
            if due_ms is None or due_ms > now_ms:
                return
            self._note(watcher.due(device, state, due_ms, heard_ms=None, floor_ms=0))

    def take(self, step: Step) -> None:
        now_ms = _BEGIN_MS + step.at_ms
        watcher, device, state = self._watcher, self._device, self._state
        if step.fields or step.event or step.heard:
            state.seen_ms = now_ms
        if self._rule.kind == STATION:
            if step.fields:
                self._told.update(step.fields)
            self._note(watcher.station(device, state, self._told, now_ms))
            return
        changed: dict[int, list[str]] = {SELF: []}
        fields = dict(step.fields)
        if step.event and self._kind is not None:
            fields = {**self._kind.events[step.event].sets, **fields}
        for name, value in fields.items():
            if name == CLOCK_FAULT:
                state.clock_fault = value is True
                changed[SELF].append(name)
                continue
            part = _PART if self._rule.in_part and not self._is_own(name) else SELF
            facts = state.parts.setdefault(part, Facts())
            mark = Mark(_BEGIN_MS, step.at_ms, now_ms)
            facts.put(self._source(name, part), mark)
            if name not in facts.values or facts.values[name] != value:
                facts.values[name] = value
                changed.setdefault(part, []).append(name)
        for part, names in changed.items():
            self._note(watcher.reading(device, state, part, names, now_ms))
        if step.event:
            part = _PART if self._rule.in_part else SELF
            self._note(watcher.event(device, state, step.event, part, now_ms, now_ms, dict(step.fields)))

    def _is_own(self, name: str) -> bool:
        kind = self._kind
        if kind is None or kind.parts is None:
            return True
        return name not in kind.part_metrics and all(one.name != name for one in kind.parts.derived)

    def _source(self, name: str, part: int) -> str:
        if self._kind is None:
            return name
        derived = self._kind.parts.derived if part and self._kind.parts else self._kind.derived
        return next((one.source for one in derived if one.name == name), name)

    def _note(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, (OpenAlert, ResolveAlert)) and effect.code == self._rule.code:
                self.opened = self.opened or isinstance(effect, OpenAlert)
                self.still_open = isinstance(effect, OpenAlert)
