"""What sort of day a date is in China: workday, rest day, statutory holiday, or a weekend made a workday."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

import chinese_calendar

DayKind = Literal["workday", "restday", "statutory_holiday", "makeup_workday"]

DAY_MS = 86_400_000
# China has one time zone and no summer time.
_OFFSET_MS = 8 * 3_600_000
_EPOCH = date(1970, 1, 1).toordinal()


def date_of(now_ms: int) -> date:
    """The date in China at a moment."""
    return date.fromordinal((now_ms + _OFFSET_MS) // DAY_MS + _EPOCH)


def midnight_ms(day: date) -> int:
    """The moment at which a date begins in China."""
    return (day.toordinal() - _EPOCH) * DAY_MS - _OFFSET_MS


class Calendar:
    """Days by their kind: overrides first, then the State Council's notices, then what is known by law.

    `overrides` are dates that an operator entered, e.g. from a notice newer than this software.
    """

    def __init__(self, overrides: Mapping[date, DayKind] | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._kinds: dict[date, DayKind] = {}
        self._by_law: Any = None

    def day_kind(self, day: date) -> DayKind:
        """The kind of a date."""
        kind = self._kinds.get(day)
        if kind is None:
            if len(self._kinds) > 2000:
                self._kinds.clear()
            kind = self._kinds[day] = self._overrides.get(day) or self._noticed(day) or self._lawful(day)
        return kind

    def is_provisional(self, day: date) -> bool:
        """True when no notice covers the date yet, so that make-up workdays are not known."""
        return day not in self._overrides and self._noticed(day) is None

    def hours_day(self, day: date) -> date:
        """The date whose weekday rules hold: a make-up workday works like the workday beside it."""
        if self.day_kind(day) != "makeup_workday":
            return day
        return day - timedelta(days=1) if day.weekday() == 5 else day + timedelta(days=1)

    @staticmethod
    def _noticed(day: date) -> DayKind | None:
        try:
            is_off, name = chinese_calendar.get_holiday_detail(day)
        except NotImplementedError:
            return None
        if name is None:
            return "restday" if is_off else "workday"
        return "statutory_holiday" if is_off else "makeup_workday"

    def _lawful(self, day: date) -> DayKind:
        if self._by_law is None:
            # Costs a quarter of a second, and is needed only where no notice is known.
            self._by_law = importlib.import_module("holidays").country_holidays("CN")
        if day in self._by_law:
            return "statutory_holiday"
        if day in getattr(self._by_law, "weekend_workdays", ()):
            return "makeup_workday"
        return "restday" if day.weekday() >= 5 else "workday"
