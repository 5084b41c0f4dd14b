"""When people come: curves of the day by occupation, weekdays, seasons; the curve may be shifted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from device_sim.weather import USUAL, Weather

RatePerHour = Callable[[int], float]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CHINA_MS = 8 * HOUR_MS

# Weights of the 24 hours, 1,000 in all.
RIDER = (12, 8, 5, 3, 2, 3, 8, 18, 28, 45, 60, 35, 45, 110, 130, 105, 70, 30, 35, 55, 75, 60, 38, 20)
SANITATION = (3, 3, 4, 18, 60, 95, 70, 50, 45, 85, 90, 95, 80, 55, 45, 60, 55, 35, 20, 12, 8, 6, 4, 2)
DRIVER = (25, 22, 18, 14, 12, 14, 25, 35, 40, 45, 50, 75, 95, 80, 60, 50, 45, 45, 55, 50, 45, 40, 35, 25)
DAY_WORKER = (0, 0, 0, 0, 0, 5, 20, 55, 80, 95, 110, 130, 150, 110, 85, 75, 50, 25, 10, 0, 0, 0, 0, 0)
SWAPS = (12, 7, 4, 3, 3, 5, 12, 25, 35, 45, 70, 95, 100, 75, 50, 50, 65, 90, 85, 60, 45, 32, 20, 12)

CURVES: Mapping[str, tuple[int, ...]] = {
    "rider": RIDER,
    "sanitation": SANITATION,
    "driver": DRIVER,
    "day_worker": DAY_WORKER,
}
MIX: Mapping[str, float] = {"rider": 0.45, "sanitation": 0.22, "driver": 0.18, "day_worker": 0.15}
WEEKEND: Mapping[str, float] = {"rider": 1.1, "day_worker": 0.5}
VISIT_SEASON = (0.95, 0.8, 0.95, 0.95, 1.0, 1.1, 1.35, 1.35, 1.1, 0.95, 0.95, 1.05)
SWAP_SEASON = (1.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.3, 1.3, 1.0, 1.0, 1.0, 1.25)
OUTSIDE_C = (6, 7, 11, 17, 22, 25, 30, 30, 26, 20, 14, 8)
HOT_MONTHS = (7, 8)

# Share, shortest and longest stay in minutes.
STAYS = ((0.45, 1.0, 4.0), (0.40, 10.0, 25.0), (0.15, 30.0, 60.0))
HOT_STAYS = ((0.65, 1.0, 4.0), (0.25, 10.0, 25.0), (0.10, 30.0, 60.0))


@dataclass(frozen=True, slots=True)
class Moment:
    """Local time on the curve."""

    month: int
    weekend: bool
    hour: float


@dataclass(frozen=True, slots=True)
class World:
    """`hour_shift` moves the day curve only: with 3, people behave at 20:00 as they would at 23:00."""

    hour_shift: int = 0
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    weather: Weather = USUAL

    def moment(self, now_ms: int) -> Moment:
        """What the curve takes `now_ms` for; China has one time and no summer time."""
        local_ms = now_ms + CHINA_MS + self.hour_shift * HOUR_MS
        day = local_ms // DAY_MS
        month = datetime.fromtimestamp(local_ms / 1000, UTC).month
        # 1970-01-01 was a Thursday.
        return Moment(month, (day + 3) % 7 >= 5, local_ms % DAY_MS / HOUR_MS)

    def hour_ends_ms(self, now_ms: int) -> int:
        """When the present hour of the curve is over."""
        return now_ms - now_ms % HOUR_MS + HOUR_MS

    def visits_per_hour(self, now_ms: int, per_day: float) -> float:
        """How many people come to a station that sees `per_day` on an ordinary day."""
        moment = self.moment(now_ms)
        season = VISIT_SEASON[moment.month - 1] * self.weather.visits
        return per_day * season * sum(self._weights(moment).values()) / 1000

    def swaps_per_hour(self, now_ms: int, per_day: float) -> float:
        """How many riders come to a cabinet that does `per_day` swaps on an ordinary day."""
        moment = self.moment(now_ms)
        return per_day * SWAP_SEASON[moment.month - 1] * SWAPS[int(moment.hour)] / 1000

    def outside_c(self, now_ms: int) -> float:
        """Air temperature: the month's mean, 4 °C more at 15 h and less at 3 h, if no weather is given."""
        moment = self.moment(now_ms)
        return self.weather.outside_c(OUTSIDE_C[moment.month - 1], moment.hour)

    def stay_ms(self, now_ms: int, rng: random.Random) -> int:
        """How long somebody who comes now will stay."""
        moment = self.moment(now_ms)
        stays = HOT_STAYS if moment.month in HOT_MONTHS or self.weather.hot else STAYS
        _, low, high = rng.choices(stays, [share for share, _, _ in stays])[0]
        night = 1.5 if moment.hour >= 23 or moment.hour < 5 else 1.0
        return int(rng.uniform(low, high) * night * 60_000)

    def next_after(self, now_ms: int, rng: random.Random, rate_per_hour: RatePerHour) -> int:
        """When the next one comes, by a rate that is constant within each hour; at most two days ahead."""
        at_ms = now_ms
        for _ in range(48):
            rate = rate_per_hour(at_ms)
            ends_ms = self.hour_ends_ms(at_ms)
            if rate > 0:
                drawn_ms = at_ms + int(rng.expovariate(rate) * HOUR_MS)
                if drawn_ms < ends_ms:
                    return drawn_ms
            at_ms = ends_ms
        return at_ms

    def _weights(self, moment: Moment) -> dict[str, float]:
        hour = int(moment.hour)
        return {
            who: share * CURVES[who][hour] * (WEEKEND.get(who, 1.0) if moment.weekend else 1.0)
            for who, share in self.mix.items()
        }
