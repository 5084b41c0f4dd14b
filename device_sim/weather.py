"""The weather of a simulated week: how hot it gets, and what that does to those who work outdoors."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SWING_C = 8.0
VERY_HOT_C, HOT_C, FROST_C = 38.0, 35.0, 0.0


@dataclass(frozen=True, slots=True)
class Weather:
    """`hottest_c` is the day's highest temperature in the shade; None leaves it to the month."""

    hottest_c: float | None = None
    rain: bool = False
    typhoon: bool = False

    @property
    def hot(self) -> bool:
        """A day on which people come for minutes only, to drink and cool down."""
        return self.hottest_c is not None and self.hottest_c >= HOT_C

    @property
    def visits(self) -> float:
        """By how much more (or less) people come."""
        factor = 1.0
        if self.hottest_c is not None:
            if self.hottest_c >= VERY_HOT_C:
                factor = 1.35
            elif self.hottest_c >= HOT_C:
                factor = 1.25
            elif self.hottest_c <= FROST_C:
                factor = 1.2
        if self.rain:
            factor *= 1.15
        return factor * 0.3 if self.typhoon else factor

    @property
    def water(self) -> float:
        """By how much more each of them drinks."""
        return 1.6 if self.hottest_c is not None and self.hottest_c >= VERY_HOT_C else 1.0

    def outside_c(self, month_mean_c: float, hour: float) -> float:
        """Air temperature: hottest at 15 h, 8 °C less at 3 h."""
        mean_c = month_mean_c if self.hottest_c is None else self.hottest_c - DAY_SWING_C / 2
        from_peak_h = min(abs(hour - 15), 24 - abs(hour - 15))
        return mean_c + DAY_SWING_C / 2 - from_peak_h * DAY_SWING_C / 12


USUAL = Weather()
"""As the month has it."""
