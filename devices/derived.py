"""Facts that look back: how fast a value rises, how long it has not moved, how often it turned.

All reckon by device time and sort what they remember, so the order of arrival does not matter
within what they keep. What they remember is a list, replaced and never altered.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, Protocol

from domain.facts import NUMBERS, Value

Samples = list[tuple[int, Any]]
"""Device time and value, oldest first."""
Moves = Literal["within", "rises", "falls", "freely"]
"""How a value may move as long as its source stays as it is: not beyond what is remembered of the source
(`within`), up with the minutes and to zero when the source changes (`rises`), down only (`falls`)."""
MAX_SAMPLES = 24
_FOREVER_MS = 2**62
STEPS_MIN = ((360, 60), (60, 15), (0, 5))
"""From how many minutes on a fact that counts them moves in steps of how many."""
MAX_TURNS = 20
SHORTEST_RISE_MS = 3_000
SURE_RISE_MS = 20_000
SURE_RISE = 3.0
SETTLED_MS = 60_000
"""What is older than this, seen from the newest sample, is not expected to be joined by late ones."""


class Derived(Protocol):
    """`source` is the metric it follows; `update` takes one sample and returns (memory, value).

    `steady_until_ms` tells until when (device time, not before the newest sample) the value stays as it is
    while the source does: until then nobody needs to be told the same again.
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> Literal["float", "int", "bool", "str"]: ...
    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]: ...
    def steady_until_ms(self, memory: Samples) -> int: ...


def _settle(samples: Samples, before: Samples | None) -> Samples:
    """Drop what lies inside a run of equal values, once it is old: only the ends of a run say something.

    Where a sample was put behind those of `before`, which are settled, only the newest can have become old.
    """
    settled_ms = samples[-1][0] - SETTLED_MS
    if len(samples) < 3 or samples[2][0] > settled_ms:
        return samples
    begin = 1
    if before and samples[-2] is before[-1]:
        before_ms = before[-1][0] - SETTLED_MS
        begin = len(samples) - 2
        while begin > 1 and samples[begin][0] > before_ms:
            begin -= 1
    kept = samples[:begin]
    for at in range(begin, len(samples) - 1):
        following = samples[at + 1]
        if following[0] > settled_ms:
            kept.extend(samples[at:-1])
            break
        if not kept[-1][1] == samples[at][1] == following[1]:
            kept.append(samples[at])
    kept.append(samples[-1])
    return kept


def _forget(samples: Samples) -> Samples:
    """Drop what came before the run that lasted when what was said was settled, but the last of it."""
    settled_ms = samples[-1][0] - SETTLED_MS
    at = len(samples) - 1
    while at > 0 and samples[at][0] > settled_ms:
        at -= 1
    value = samples[at][1]
    while at > 0 and samples[at - 1][1] == value:
        at -= 1
    return samples[at - 1 :] if at > 1 else samples


def _insert(samples: Samples, value: Value, at_ms: int) -> Samples:
    if not samples or at_ms > samples[-1][0]:
        return [*samples, (at_ms, value)]
    at = bisect_left(samples, at_ms, key=lambda s: s[0])
    if samples[at][0] == at_ms:
        return samples
    return [*samples[:at], (at_ms, value), *samples[at:]]


def _run_of(samples: Samples, last: Any) -> Samples:
    """The samples at the end that are all alike."""
    at = len(samples)
    while at and samples[at - 1][1] == last:
        at -= 1
    return samples[at:]


def _is_number(value: Value) -> bool:
    return value.__class__ in NUMBERS


def _window(memory: Samples | None, value: Value, at_ms: int, over_s: int) -> Samples:
    """What was said within the last seconds, and the last before; what is no number stands there as None."""
    said = value if _is_number(value) else None
    samples = memory or []
    if samples and at_ms <= samples[-1][0]:
        samples = _insert(samples, said, at_ms)
        added = []
        floor_ms = samples[-1][0] - over_s * 1000
    else:
        added = [(at_ms, said)]
        floor_ms = at_ms - over_s * 1000
    first, last = 0, len(samples) - 1
    while first < last and samples[first + 1][0] <= floor_ms:
        first += 1
    return samples[max(first, last + 1 + len(added) - MAX_SAMPLES) :] + added


def _known_run(samples: Samples, over_s: int) -> tuple[int, int]:
    """Where in a window the samples begin that are known to its end, and when that was.

    A first sample from before the window counts from the window's begin if the next one says the same,
    however often it was said, and not at all otherwise.
    """
    for _, said in samples:
        if said is None:
            at = next(at for at in range(len(samples) - 1, -1, -1) if samples[at][1] is None)
            return at + 1, samples[at + 1][0] if at + 1 < len(samples) else 0
    first_ms, first = samples[0]
    floor_ms = samples[-1][0] - over_s * 1000
    if first_ms >= floor_ms:
        return 0, first_ms
    return (0, floor_ms) if samples[1][1] == first else (1, samples[1][0])


def _settled_until_ms(samples: Samples) -> int:
    """For ever, when a window remembers nothing but the last value; else it moves with each sample."""
    last = samples[-1][1]
    return _FOREVER_MS if all(value == last for _, value in samples) else int(samples[-1][0])


@dataclass(frozen=True, slots=True)
class RisePerMinute:
    """How fast `source` rises, per minute, over the last `over_s` seconds; unknown with too few samples.

    Where the source was known to be unknown (no battery in the slot) it begins anew: another battery is
    not a rise. Within 20 s only three units count, so that the last digit of a sensor is no fire.
    """

    name: str
    source: str
    over_s: int = 120
    type: Literal["float"] = "float"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _window(memory, value, at_ms, self.over_s)
        begin, first_ms = _known_run(samples, self.over_s)
        last_ms, last = samples[-1]
        if begin >= len(samples) - 1 or last_ms - first_ms < SHORTEST_RISE_MS:
            return samples, None
        first = samples[begin][1]
        if last_ms - first_ms < SURE_RISE_MS and abs(last - first) < SURE_RISE:
            return samples, None
        return samples, round((last - first) * 60_000 / (last_ms - first_ms), 2)

    def steady_until_ms(self, memory: Samples) -> int:
        """It becomes known with time, and then stays at zero."""
        until_ms = _settled_until_ms(memory)
        last_ms, last = memory[-1]
        known = last is None or last_ms - memory[0][0] >= SURE_RISE_MS
        return until_ms if known else int(last_ms)


@dataclass(frozen=True, slots=True)
class DropPct:
    """By how many percent `source` lies below its highest within the last `over_s` seconds."""

    name: str
    source: str
    over_s: int = 120
    type: Literal["float"] = "float"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _window(memory, value, at_ms, self.over_s)
        begin, _ = _known_run(samples, self.over_s)
        if begin >= len(samples) - 1:
            return samples, None
        last = samples[-1][1]
        highest = max(sample for _, sample in samples[begin:])
        if highest <= 0:
            return samples, None
        return samples, round((highest - last) * 100 / highest, 1)

    def steady_until_ms(self, memory: Samples) -> int:
        """It takes two samples; then it stays at zero."""
        last_ms, last = memory[-1]
        return _settled_until_ms(memory) if last is None or len(memory) > 1 else int(last_ms)


@dataclass(frozen=True, slots=True)
class HeldMedian:
    """The median of `source` over the last `over_s` seconds, each value weighing as long as it was held.

    One wild reading among good ones says nothing; a value that stays takes over after half the time.
    """

    moves: ClassVar[Moves] = "within"
    name: str
    source: str
    over_s: int = 300
    type: Literal["float"] = "float"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _insert(memory or [], value if _is_number(value) else None, at_ms)
        floor_ms = samples[-1][0] - self.over_s * 1000
        while len(samples) > 1 and samples[1][0] <= floor_ms:
            samples = samples[1:]
        samples = samples[-MAX_SAMPLES:]
        held: list[tuple[float, int]] = []
        for (from_ms, sample), (to_ms, _) in pairwise(samples):
            if sample is not None:
                held.append((sample, to_ms - max(from_ms, floor_ms)))
        if not held:
            last = samples[-1][1]
            return samples, None if last is None else float(last)
        held.sort()
        half, passed = sum(weight for _, weight in held) / 2, 0
        for sample, weight in held:
            passed += weight
            if passed >= half:
                return samples, float(sample)
        return samples, None

    def steady_until_ms(self, memory: Samples) -> int:
        """For ever, once nothing else is remembered."""
        return _settled_until_ms(memory)


def step_min(minutes: float) -> int:
    """In steps of how many minutes a fact moves that counts them: what lasts for days is seldom news."""
    return next(step for from_min, step in STEPS_MIN if minutes >= from_min)


@dataclass(frozen=True, slots=True)
class MinutesUnchanged:
    """For how many minutes `source` has had its value, in steps of five at first, of an hour at last."""

    moves: ClassVar[Moves] = "rises"
    name: str
    source: str
    type: Literal["int"] = "int"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _forget(_settle(_insert(memory or [], value, at_ms), memory))[-MAX_SAMPLES:]
        last_ms, last = samples[-1]
        if last is None:
            return samples, None
        since = last_ms
        for sample_ms, sample in reversed(samples):
            if sample != last:
                break
            since = sample_ms
        minutes = int(last_ms - since) // 60_000
        return samples, minutes // (step := step_min(minutes)) * step

    def steady_until_ms(self, memory: Samples) -> int:
        """Until when the value stays as it is while the source does."""
        samples, minutes = self.update(memory, memory[-1][1], memory[-1][0])
        if minutes is None:
            return _FOREVER_MS
        last = samples[-1][1]
        since_ms = _run_of(samples, last)[0][0]
        return int(since_ms) + (int(minutes) + step_min(int(minutes))) * 60_000


@dataclass(frozen=True, slots=True)
class TurnsTo:
    """How often `source` turned to `value` within the last `over_s` seconds (counted up to 20)."""

    moves: ClassVar[Moves] = "falls"
    name: str
    source: str
    value: Value
    over_s: int
    type: Literal["int"] = "int"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = _settle(_insert(memory or [], value == self.value, at_ms), memory)
        floor = samples[-1][0] - self.over_s * 1000
        # The last sample before the window tells how the window began.
        while len(samples) > 1 and samples[1][0] < floor:
            samples = samples[1:]
        samples = samples[-MAX_TURNS * 2 :]
        turns = 0
        before = samples[0][1]
        for sample_ms, is_so in samples:
            if is_so and not before and sample_ms >= floor:
                turns += 1
            before = is_so
        return samples, min(turns, MAX_TURNS)

    def steady_until_ms(self, memory: Samples) -> int:
        """Until when the value stays as it is while the source does: then a turn leaves the window."""
        floor_ms = memory[-1][0] - self.over_s * 1000
        turns = (at_ms for at_ms, is_so in memory if is_so and at_ms >= floor_ms)
        first_ms = next(turns, None)
        return _FOREVER_MS if first_ms is None else int(first_ms) + self.over_s * 1000


@dataclass(frozen=True, slots=True)
class GrownBy:
    """By how much a counter has grown within the last `over_s` seconds; going back to zero is no loss.

    Unknown until it was heard twice. What lies closer together than a twentieth of the time is thinned.
    """

    moves: ClassVar[Moves] = "falls"
    name: str
    source: str
    over_s: int
    type: Literal["float"] = "float"

    def update(self, memory: Samples | None, value: Value, at_ms: int) -> tuple[Samples, Value]:
        samples = memory or []
        if _is_number(value):
            samples = _insert(samples, value, at_ms)
            floor_ms = samples[-1][0] - self.over_s * 1000
            # The last sample before the window tells with how much it began.
            while len(samples) > 2 and samples[1][0] <= floor_ms:
                samples = samples[1:]
            close = len(samples) > 3 and samples[-2][0] - samples[-3][0] < self.over_s * 50
            # A counter that went back in between must not be forgotten.
            if close and samples[-3][1] <= samples[-2][1] <= samples[-1][1]:
                samples = [*samples[:-2], samples[-1]]
            samples = samples[-2 * MAX_SAMPLES :]
        if len(samples) < 2:
            return samples, None
        grown = sum(max(0.0, after[1] - before[1]) for before, after in pairwise(samples))
        return samples, round(grown, 1)

    def steady_until_ms(self, memory: Samples) -> int:
        """Until the first growth leaves the window; it takes two samples to be known."""
        if len(memory) < 2:
            return int(memory[-1][0]) if memory else _FOREVER_MS
        if all(before[1] >= after[1] for before, after in pairwise(memory)):
            return _FOREVER_MS
        return int(memory[1][0]) + self.over_s * 1000
