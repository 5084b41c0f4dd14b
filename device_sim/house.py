"""What the devices of one room share besides its people: the air, the mains, what is switched on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

AcMode = Literal["off", "cool", "heat", "fan", "dry"]

WALLS_MS = 3 * 3_600_000
"""In this time a room without air conditioning covers two thirds of the way to the air outside."""
AC_C_PER_H = 15.0
PERSON_C_PER_H = 0.4
FIRE_C_PER_MIN = 12.0
HOTTEST_C = 140.0
LONGEST_STEP_MS = 600_000


@dataclass(slots=True)
class House:
    """Whoever looks at it lets its time pass first; looking twice at one moment changes nothing."""

    air_c: float = 22.0
    humidity_pct: float = 60.0
    mains_ok: bool = True
    burning: bool = False
    ac_mode: AcMode = "off"
    ac_setpoint_c: float = 26.0
    ac_works: bool = True
    passed_ms: int | None = None

    @property
    def ac_labours(self) -> bool:
        """True while the compressor runs, which is what draws power."""
        if self.ac_mode == "cool":
            return self.air_c > self.ac_setpoint_c
        return self.ac_mode == "heat" and self.air_c < self.ac_setpoint_c

    def pass_time(self, now_ms: int, outside_c: float, people: int) -> None:
        """Air follows what is outside, who is inside, and what the air conditioning can do about it."""
        if self.passed_ms is None:
            self.passed_ms = now_ms
            self.air_c = 0.5 * outside_c + 11.0
        while self.passed_ms < now_ms:
            step_ms = min(LONGEST_STEP_MS, now_ms - self.passed_ms)
            self.passed_ms += step_ms
            self._step(step_ms, outside_c + 2.0, people)

    def _step(self, step_ms: int, outside_c: float, people: int) -> None:
        hours = step_ms / 3_600_000
        air_c = self.air_c
        if self.burning:
            self.air_c = min(HOTTEST_C, air_c + FIRE_C_PER_MIN * step_ms / 60_000)
            return
        air_c += (outside_c - air_c) * (1 - math.exp(-step_ms / WALLS_MS)) + people * PERSON_C_PER_H * hours
        if self.mains_ok and self.ac_works:
            moved_c = AC_C_PER_H * hours
            if self.ac_mode == "cool" and air_c > self.ac_setpoint_c:
                air_c = max(self.ac_setpoint_c, air_c - moved_c)
            elif self.ac_mode == "heat" and air_c < self.ac_setpoint_c:
                air_c = min(self.ac_setpoint_c, air_c + moved_c)
        self.air_c = air_c
        wanted_pct = 50.0 if self.ac_mode in ("cool", "dry") else 65.0
        self.humidity_pct += (wanted_pct - self.humidity_pct) * (1 - math.exp(-step_ms / WALLS_MS))
