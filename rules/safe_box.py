"""Bounds within which reports may move while no rule can have anything to do: most stay there for hours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from devices.state import SELF
from domain.facts import Value
from rules.track import Column, Sheet, Track

FOREVER_MS: Final = 2**62
_FIRST_LOOK: Final = 8
"""How many reports are looked at first; each look goes twice as far as the one before."""


@dataclass(slots=True)
class Limits:
    """What the fields of a device or part must hold: numbers within their bounds, others as they were."""

    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    known: Mapping[str, Value] = field(default_factory=dict)
    """What was said when the limits were found: what is absent there stays absent."""

    def span(self, name: str, low: float, high: float) -> None:
        """Keep a number from `low` to `high`, too."""
        old_low, old_high = self.spans.get(name, (-math.inf, math.inf))
        self.spans[name] = max(old_low, low), min(old_high, high)

    def hold(self) -> bool:
        """True when what is known lies within the limits: a window may still remember more."""
        return self.hold_for(self.known)

    def hold_for(self, fields: Mapping[str, Value]) -> bool:
        """True when these fields lie within the limits."""
        for name, (low, high) in self.spans.items():
            value = fields.get(name)
            if value is None or not low <= value <= high:  # type: ignore[operator]
                return False
        return all(fields.get(name) == fixed for name, fixed in self.fixed.items())


class Told(NamedTuple):
    """What is told of the station, made of these fields, must stay within its bound."""

    sources: tuple[str, ...]
    telling: Mapping[tuple[Value, ...], Value]
    bound: tuple[float, float]

    def end_of(self, sheet: Sheet, begin: int, end: int) -> int:
        """The first report from `begin` on, before `end`, of which something else is told."""
        columns = [sheet.columns[name] for name in self.sources]
        width = _FIRST_LOOK
        while begin < end:
            stop = min(begin + width, end)
            window = list(zip(*(column[begin:stop] for column in columns), strict=True))
            wrong = {said for said in set(window) if not self._is_within(said)}
            if wrong:
                return next(begin + at for at, said in enumerate(window) if said in wrong)
            begin, width = stop, 2 * width
        return end

    def _is_within(self, said: tuple[Value, ...]) -> bool:
        told = self.telling[said]
        return isinstance(told, (int, float)) and self.bound[0] <= told <= self.bound[1]


@dataclass(slots=True)
class SafeBox:
    """Limits of a device and each of its parts, and until when (device time) they say something."""

    parts: dict[int, Limits]
    at_ms: int
    until_ms: int = FOREVER_MS
    told: list[Told] = field(default_factory=list)
    restless: bool = False
    """Within it, what is told of the station may move."""

    def end_of(self, track: Track, begin: int, end: int) -> int:
        """The first report from `begin` on that leaves the box, or follows a gap; `end` when none before it
        does."""
        if track.sheets.keys() != self.parts.keys():
            return begin
        gap = bisect_left(track.gaps, begin)
        if gap < len(track.gaps):
            end = min(end, track.gaps[gap])
        end = bisect_left(track.at_ms, self.until_ms, begin, end)
        for n, sheet in track.sheets.items():
            if end <= begin:
                break
            end = _end_within(self.parts[n], sheet, begin, end)
        for one in self.told:
            end = one.end_of(track.sheets[SELF], begin, end)
        return end


def _end_within(limits: Limits, sheet: Sheet, begin: int, end: int) -> int:
    known, columns, still = limits.known, sheet.columns, sheet.still
    if known.keys() - sheet.mixed != sheet.said:
        return begin
    for name in sheet.mixed:
        if name in known:
            end = columns[name].index(None, begin, end) if None in columns[name][begin:end] else end
        else:
            end = _end_of_equal(columns[name], None, begin, end)
    for name, (low, high) in limits.spans.items():
        if name not in sheet.said or not sheet.is_within(name, low, high):
            end = _end_of_span(columns[name], low, high, begin, end)
    for name, value in limits.fixed.items():
        if name not in still:
            end = _end_of_equal(columns[name], value, begin, end)
        elif columns[name][0] != value:
            return begin
    return end


def _end_of_span(column: Column, low: float, high: float, begin: int, end: int) -> int:
    width = _FIRST_LOOK
    while begin < end:
        stop = min(begin + width, end)
        window = column[begin:stop]
        if min(window) < low or max(window) > high:
            return next(begin + at for at, value in enumerate(window) if not low <= value <= high)
        begin, width = stop, 2 * width
    return end


def _end_of_equal(column: Column, wanted: Value, begin: int, end: int) -> int:
    width = _FIRST_LOOK
    while begin < end:
        stop = min(begin + width, end)
        window = column[begin:stop]
        if window.count(wanted) < len(window):
            return next(begin + at for at, value in enumerate(window) if value != wanted)
        begin, width = stop, 2 * width
    return end
