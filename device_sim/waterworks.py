"""The water in one machine: tank, boiler, taps and cartridges, as time passes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from domain.facts import Value

TANK_L, BOILER_L = 10.0, 5.0
REFILL_FROM_PCT, REFILL_TO_PCT = 70.0, 95.0
REFILL_LPM, TAP_LPM, SEEP_LPM = 1.6, 1.8, 0.4
HEAT_C_PER_MIN, BURN_C_PER_MIN, COOL_C_PER_MIN = 6.0, 9.0, 0.08
BOILED_C, REHEAT_C, BURNT_C = 97.0, 92.0, 125.0
HOT_SHARE = 0.6
LOW_KPA = 80.0
LONGEST_STEP_MS = 20_000


@dataclass(slots=True)
class Cartridge:
    """One filter: what it is made of, and how much of it is used."""

    medium: str
    litres_total: float
    hours_total: float
    litres_used: float = 0.0
    hours_used: float = 0.0

    def values(self) -> dict[str, Value]:
        """The fields of a report, rounded as counters are."""
        return {
            "medium": self.medium,
            "litres_used": float(round(self.litres_used)),
            "litres_total": self.litres_total,
            "hours_used": float(round(self.hours_used)),
            "hours_total": self.hours_total,
        }


def cartridges(rng: random.Random) -> list[Cartridge]:
    """Three of them, fitted some months ago; none is near its end, for that is a fault to be asked for."""
    found = [Cartridge("PP", 7200, 8640), Cartridge("RO", 7200, 17280), Cartridge("C2", 7200, 8640)]
    for one in found:
        share = rng.uniform(0.02, 0.55)
        one.hours_used = round(share * one.hours_total)
        one.litres_used = round(share * one.litres_total * rng.uniform(0.2, 0.8))
    return found


@dataclass(slots=True)
class Waterworks:
    """What is broken is set from outside; `pass_time` does the rest."""

    filters: list[Cartridge]
    inlet_c: float = 18.0
    pressure_kpa: float = 260.0
    tank_l: float = 8.0
    hot_c: float = 95.0
    filtered_l: float = 0.0
    given_l: float = 0.0
    uv_h: float = 0.0
    heater_on: bool = False
    heating_works: bool = True
    welded: bool = False
    valve_closed: bool = False
    serving: bool = True
    cut: bool = False
    pump_works: bool = True
    seeping: bool = False
    rinsing_ms: int = 0
    drawing_l: float = 0.0
    refilling: bool = False
    flow_lpm: float = 0.0
    out_lpm: float = 0.0

    @property
    def tank_pct(self) -> float:
        """How full the tank is."""
        return 100.0 * self.tank_l / TANK_L

    @property
    def fed(self) -> bool:
        """True while water can come in."""
        return not self.valve_closed and self.pressure_kpa >= LOW_KPA

    def left_ms(self) -> int | None:
        """How long the draw or the rinse that is under way still takes; None without one."""
        if self.rinsing_ms:
            return self.rinsing_ms
        return max(1, round(self.drawing_l / TAP_LPM * 60_000)) if self.drawing_l > 0 else None

    def pass_time(self, dt_ms: int) -> None:
        """Let water and heat move on; long times go in short steps."""
        while dt_ms > 0:
            step_ms = min(dt_ms, LONGEST_STEP_MS if self.busy else 600_000)
            self._step(step_ms)
            dt_ms -= step_ms

    @property
    def busy(self) -> bool:
        """True while anything but waiting goes on."""
        return bool(self.drawing_l or self.rinsing_ms or self.refilling or self.heater_on or self.welded)

    def _step(self, step_ms: int) -> None:
        minutes = step_ms / 60_000
        self._draw(minutes)
        self._fill(step_ms, minutes)
        self._heat(minutes)
        for one in self.filters:
            one.hours_used += minutes / 60
        self.uv_h += minutes / 60

    def _draw(self, minutes: float) -> None:
        self.out_lpm = 0.0
        if self.drawing_l <= 0:
            return
        moved = min(self.drawing_l, TAP_LPM * minutes)
        self.drawing_l = 0.0 if self.drawing_l - moved < 1e-6 else self.drawing_l - moved
        if not (self.pump_works and self.serving and self.tank_l > 0.3):
            return
        moved = min(moved, self.tank_l)
        self.out_lpm = TAP_LPM
        self.tank_l -= moved
        self.given_l += moved
        hot = moved * HOT_SHARE
        self.hot_c -= (self.hot_c - self.inlet_c) * hot / (BOILER_L + hot)

    def _fill(self, step_ms: int, minutes: float) -> None:
        self.flow_lpm = 0.0
        taken = 0.0
        if self.rinsing_ms:
            rinse_min = min(self.rinsing_ms, step_ms) / 60_000
            self.rinsing_ms = max(0, self.rinsing_ms - step_ms)
            if self.fed:
                taken += REFILL_LPM * rinse_min
                self.flow_lpm = REFILL_LPM
        if self.tank_pct < REFILL_FROM_PCT:
            self.refilling = True
        if self.refilling and self.fed:
            room = TANK_L * REFILL_TO_PCT / 100 - self.tank_l
            moved = min(room, REFILL_LPM * minutes)
            self.tank_l += moved
            taken += moved
            self.flow_lpm = REFILL_LPM
            self.refilling = room - moved > 1e-6
        elif self.refilling and not self.fed:
            self.refilling = False
        if self.seeping and self.fed:
            taken += SEEP_LPM * minutes
            self.flow_lpm += SEEP_LPM
        self.filtered_l += taken
        for one in self.filters:
            one.litres_used += taken

    def _heat(self, minutes: float) -> None:
        if self.cut:
            self.heater_on = False
        elif self.welded or (self.hot_c < REHEAT_C and self.tank_l > 0.3):
            self.heater_on = True
        elif self.hot_c >= BOILED_C or self.tank_l <= 0.3:
            self.heater_on = False
        if self.heater_on and self.heating_works:
            dry = self.welded
            step = (BURN_C_PER_MIN if dry else HEAT_C_PER_MIN) * minutes
            self.hot_c = min(BURNT_C if dry else BOILED_C, self.hot_c + step)
        else:
            self.hot_c = max(self.inlet_c, self.hot_c - COOL_C_PER_MIN * minutes)
