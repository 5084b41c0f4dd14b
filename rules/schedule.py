"""Opening hours written as OSM `opening_hours`, on Chinese days: is it open, and until when?"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import opening_hours
from opening_hours import OpeningHours, State

from rules.calendar import DAY_MS, Calendar, date_of, midnight_ms

_LOOK_AHEAD_DAYS = 15
_NOON_MIN = 12 * 60
_DAY_MIN = 24 * 60
_HOLIDAY = re.compile(r"(?<![A-Za-z])PH(?![A-Za-z])")


class HoursState(NamedTuple):
    """`open` is None when the hours say "unknown"; `until_ms` is None when nothing changes for two weeks."""

    open: bool | None
    until_ms: int | None


class _Span(NamedTuple):
    start_min: int
    end_min: int
    open: bool | None


class Hours:
    """One timetable. A statutory holiday follows the PH rules, or Sunday's where there are none; a make-up
    workday follows the workday beside it."""

    def __init__(self, text: str, calendar: Calendar) -> None:
        """Raise ValueError with a sentence when the text cannot be read."""
        self.text = text.strip()
        self._calendar = calendar
        self._always = self.text == "24/7"
        self._plain = _parse(self.text, text)
        self._has_holidays = _HOLIDAY.search(self.text) is not None
        # On a holiday every day is one: PH rules hold whatever the weekday.
        self._holiday = _parse(_HOLIDAY.sub("Mo-Su", self.text), text) if self._has_holidays else self._plain
        self._days: dict[date, tuple[_Span, ...]] = {}
        self._known: tuple[int, int, HoursState] | None = None

    def state(self, now_ms: int) -> HoursState:
        """Open now, and when that changes."""
        if self._always:
            return HoursState(True, None)
        if self._known is not None and self._known[0] <= now_ms < self._known[1]:
            return self._known[2]
        today = date_of(now_ms)
        minute = (now_ms - midnight_ms(today)) // 60_000
        found = _at(self.spans(today), minute)
        until_ms = None
        for ahead in range(_LOOK_AHEAD_DAYS):
            day = today + timedelta(days=ahead)
            change = _change(self.spans(day), minute + 1 if ahead == 0 else 0, found)
            if change is not None:
                until_ms = midnight_ms(day) + change * 60_000
                break
        state = HoursState(found, until_ms)
        horizon = until_ms if until_ms is not None else midnight_ms(today) + DAY_MS
        self._known = (now_ms, horizon, state)
        return state

    def on(self, day: date) -> str:
        """The hours of a date as people read them: `08:30–17:30`, `22:00–06:00`; empty when closed."""
        spans = [span for span in self.spans(day) if span.open]
        if len(spans) > 1 and spans[0].start_min == 0 and spans[-1].end_min == _DAY_MIN:
            # The night before and the night to come read as one.
            spans = [*spans[1:-1], spans[-1]._replace(end_min=spans[0].end_min)]
        return "、".join(f"{_clock(span.start_min)}–{_clock(span.end_min)}" for span in spans)

    def spans(self, day: date) -> tuple[_Span, ...]:
        """When it is open (or unknown) on a date, in minutes of that date, in order."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) > 64:
                self._days.clear()
            found = [*self._over_midnight(day - timedelta(days=1)), *self._begun_on(day)]
            known = self._days[day] = _merged(found)
        return known

    def _rules_for(self, day: date) -> tuple[OpeningHours, date]:
        kind = self._calendar.day_kind(day)
        if kind == "statutory_holiday":
            if self._has_holidays:
                return self._holiday, day
            return self._plain, day + timedelta(days=6 - day.weekday())
        return self._plain, self._calendar.hours_day(day)

    def _begun_on(self, day: date) -> list[_Span]:
        rules, like = self._rules_for(day)
        begin = datetime.combine(like, time.min)
        carried = _carried(rules, like)
        found = []
        for start, end, state, _ in rules.intervals(begin, begin + timedelta(days=1)):
            if state == State.CLOSED:
                continue
            first, last = _minutes(start, like), _minutes(end, like)
            first = max(first, carried)
            if last > first:
                found.append(_Span(first, last, True if state == State.OPEN else None))
        return found

    def _over_midnight(self, day: date) -> list[_Span]:
        """What an evening leaves to the next morning."""
        rules, like = self._rules_for(day)
        carried = _carried(rules, like + timedelta(days=1))
        return [_Span(0, carried, True)] if carried else []


def _parse(expression: str, text: str) -> OpeningHours:
    try:
        # Without a country its own holidays stay out: it knows only the first day of each.
        return OpeningHours(expression, auto_country=False, auto_timezone=False)
    except opening_hours.ParserError as exc:  # type: ignore[attr-defined]  # its types leave it out
        line = str(exc).strip().splitlines()[-1].strip(" =")
        raise ValueError(f"{text!r} is not opening hours (e.g. Mo-Fr 08:30-17:30; PH off): {line}") from exc


def _carried(rules: OpeningHours, day: date) -> int:
    """Until which minute the evening before lasts; 0 if it ended, or if it is open around the clock."""
    midnight = datetime.combine(day, time.min)
    half = timedelta(minutes=_NOON_MIN)
    for start, end, state, _ in rules.intervals(midnight - half, midnight + half):
        if state == State.OPEN and start < midnight < end < midnight + half:
            return _minutes(end, day)
    return 0


def _minutes(moment: datetime, day: date) -> int:
    return int((moment.replace(tzinfo=None) - datetime.combine(day, time.min)).total_seconds() // 60)


def _merged(spans: list[_Span]) -> tuple[_Span, ...]:
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda one: (one.start_min, one.end_min)):
        if merged and merged[-1].open == span.open and span.start_min <= merged[-1].end_min:
            merged[-1] = merged[-1]._replace(end_min=max(merged[-1].end_min, span.end_min))
        else:
            merged.append(span)
    return tuple(merged)


def _at(spans: tuple[_Span, ...], minute: int) -> bool | None:
    for span in spans:
        if span.start_min <= minute < span.end_min:
            return span.open
    return False


def _change(spans: tuple[_Span, ...], from_min: int, now: bool | None) -> int | None:
    edges = {0, *(span.start_min for span in spans), *(span.end_min for span in spans)}
    for edge in sorted(edges):
        if from_min <= edge < _DAY_MIN and _at(spans, edge) != now:
            return edge
    return None


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
