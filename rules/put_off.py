"""Reports within a safe box, put off until somebody asks: the last says what is, all of them what was."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from devices.derived import Derived
from devices.kind import Kind
from devices.state import SELF, DeviceState
from domain.facts import Facts, Mark, Value
from rules.stored import StoredMessage
from rules.track import Track

_SHORT_S: Final = 3_600


@dataclass(slots=True)
class PutOff:
    """Runs of reports of one device, in their order."""

    count: int = 0
    """How many reports were ever put off."""
    _runs: list[tuple[Track, int, int]] = field(default_factory=list)
    _known: int = 0
    """Of so many runs the facts have the values."""
    _before: dict[int, dict[str, Value]] = field(default_factory=dict)
    """What was known before the first run, of the device and each part."""
    _told: dict[tuple[int, str], int] = field(default_factory=dict)
    """Of how many runs a fact that looks back was told."""

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, track: Track, begin: int, end: int) -> None:
        """Put off the reports of a track from one to before another."""
        self.count += end - begin
        if len(self._runs) > self._known and self._runs[-1][0] is track and self._runs[-1][2] == begin:
            begin = self._runs.pop()[1]
        self._runs.append((track, begin, end))

    def take_in(self, state: DeviceState, last: StoredMessage | None, mark: Mark) -> StoredMessage | None:
        """Let the facts have the values of the last report, which it returns. `last` is the last one that
        they had before, if nothing else was said since."""
        runs = self._runs
        if self._known == len(runs):
            return last
        track, _, end = runs[-1]
        message = track.message(end - 1)
        for n in track.sheets:
            facts, fields = state.parts[n], message.fields if n == SELF else message.parts[n]
            if not self._known:
                self._before[n] = facts.values.copy()
            if last is None or fields is not (last.fields if n == SELF else last.parts.get(n)):
                facts.values.update(fields)
            facts.repeat(fields, mark, 0)
        self._known = len(runs)
        return message

    def look_back(self, kind: Kind, state: DeviceState, names: Collection[str] | None = None) -> None:
        """Tell facts that look back what was said meanwhile: those of these names, or all of them, which
        ends it. The values must have been taken in."""
        if not self._runs:
            return
        times: dict[int, list[int]] = {}
        said: dict[tuple[int, str, int], list[Value]] = {}
        track, _, end = self._runs[-1]
        for n, sheet in track.sheets.items():
            for one in kind.derived if n == SELF else kind.parts.derived if kind.parts else ():
                if names is not None and one.name not in names:
                    continue
                source, told = one.source, self._told.get((n, one.name), 0)
                if told == len(self._runs) or source not in sheet.columns:
                    continue
                if sheet.columns[source][end - 1] is None:
                    continue
                if told not in times:
                    times[told] = self._times(told)
                if (n, source, told) not in said:
                    said[n, source, told] = self._said(n, source, told)
                before = self._last(n, source, told)
                _look_back(one, state.parts[n], times[told], said[n, source, told], before)
                self._told[n, one.name] = len(self._runs)
        if names is None:
            self._runs.clear()
            self._before.clear()
            self._told.clear()
            self._known = 0

    def _times(self, told: int) -> list[int]:
        return [at_ms for track, begin, end in self._runs[told:] for at_ms in track.at_ms[begin:end]]

    def _said(self, n: int, source: str, told: int) -> list[Value]:
        values: list[Value] = []
        for track, begin, end in self._runs[told:]:
            values += track.sheets[n].columns[source][begin:end]
        return values

    def _last(self, n: int, source: str, told: int) -> Value:
        """What a fact that was told of so many runs heard last."""
        if not told:
            return self._before[n].get(source)
        track, _, end = self._runs[told - 1]
        value: Value = track.sheets[n].columns[source][end - 1]
        return value


def _look_back(one: Derived, facts: Facts, times: list[int], values: list[Value], before: Value) -> None:
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
    if not every and values[begin] == before and values.count(before) == len(values):
        begin = final
    elif getattr(one, "moves", None) == "rises":
        # Such a one begins anew with each value: what was before the last but one says nothing.
        last, begin = values[final], final
        while begin > 0 and values[begin] == last:
            begin -= 1
    for at in range(begin, final + 1):
        said = values[at]
        if every or at in (begin, final) or values[at - 1] != said or values[at + 1] != said:
            memory, value = one.update(memory, said, times[at])
    facts.memory[name], facts.values[name] = memory, value
