"""Facts that look back: how fast a value rises, how long it has not moved, how often it turned.

All reckon by device time and sort what they remember, so the order of arrival does not matter
within what they keep. What they remember is a list, replaced and never altered.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from domain.facts import Value

Samples = list[list[Any]]
MAX_SAMPLES = 24


class Derived(Protocol):
    """`source` is the metric it follows; `update` takes one sample and returns (memory, value)."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> Literal["float", "int", "bool", "str"]: ...
    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]: ...


def _insert(samples: Samples, value: Value, at_ms: int) -> Samples:
    if not samples or at_ms > samples[-1][0]:
        return [*samples, [at_ms, value]]
    at = bisect_left(samples, at_ms, key=lambda s: s[0])
    if samples[at][0] == at_ms:
        return samples
    return [*samples[:at], [at_ms, value], *samples[at:]]


@dataclass(frozen=True, slots=True)
class RisePerMinute:
    """How fast `source` rises, per minute, over the last `over_s` seconds; unknown with too few samples."""

    name: str
    source: str
    over_s: int = 120
    type: Literal["float"] = "float"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = memory or []
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            samples = _insert(samples, value, at_ms)
            floor = samples[-1][0] - self.over_s * 1000
            if samples[0][0] < floor or len(samples) > MAX_SAMPLES:
                samples = [s for s in samples if s[0] >= floor][-MAX_SAMPLES:]
        if len(samples) < 2 or samples[-1][0] - samples[0][0] < 1000:
            return samples, None
        (first_ms, first), (last_ms, last) = samples[0], samples[-1]
        return samples, round((last - first) * 60_000 / (last_ms - first_ms), 2)


@dataclass(frozen=True, slots=True)
class MinutesUnchanged:
    """For how many whole minutes `source` has had the value it has; with `value`, only while it has that one."""

    name: str
    source: str
    value: Value | Literal["any"] = "any"
    type: Literal["int"] = "int"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _insert(memory or [], value, at_ms)
        while len(samples) > MAX_SAMPLES:
            samples = self._drop_one(samples)
        last_ms, last = samples[-1]
        if last is None:
            return samples, None
        if self.value != "any" and last != self.value:
            return samples, 0
        since = last_ms
        for sample_ms, sample in reversed(samples):
            if sample != last:
                break
            since = sample_ms
        return samples, (last_ms - since) // 60_000

    @staticmethod
    def _drop_one(samples: Samples) -> Samples:
        # The inside of a run says nothing; only without one is the oldest forgotten.
        for at in range(1, len(samples) - 1):
            if samples[at - 1][1] == samples[at][1] == samples[at + 1][1]:
                return samples[:at] + samples[at + 1 :]
        return samples[1:]


@dataclass(frozen=True, slots=True)
class TurnsTo:
    """How often `source` turned to `value` within the last `over_s` seconds (counted up to 20)."""

    name: str
    source: str
    value: Value
    over_s: int
    type: Literal["int"] = "int"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _insert(memory or [], value == self.value, at_ms)
        floor = samples[-1][0] - self.over_s * 1000
        # Equal neighbours say nothing new, but the first of the window tells where it started.
        kept: Samples = []
        for sample in samples:
            if kept and kept[-1][1] == sample[1]:
                continue
            kept.append(sample)
        while len(kept) > 1 and kept[1][0] < floor:
            kept = kept[1:]
        kept = kept[-40:]
        turns = sum(1 for at in range(1, len(kept)) if kept[at][1] and kept[at][0] >= floor)
        return kept, min(turns, 20)
