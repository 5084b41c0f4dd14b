"""One slot of a swap cabinet: a battery that charges, warms up, and may overheat or run away."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from device_sim.wrong_words import SLOT, said
from domain.facts import Value

READY_SOC_PCT = 95.0
CHARGE_PCT_PER_S = 75 / (135 * 60)
"""20 to 95 % in two and a quarter hours."""
WARMER_C, GENTLY_WARMER_C = 11.0, 4.0
GENTLE_FROM_C, GENTLY = 45.0, 0.6
"""A battery of 45 °C is charged with six tenths of the current, which makes a good third of the heat."""
WARM_TAU_S = 600.0
COOL_TAU_S = 90.0
RUNAWAY_SMOKE_C = 95.0
RUNAWAY_PEAK_C = 640.0
RUNAWAY_DEAF_C = 300.0

EXCHANGE_S = 3.0

Heat = Literal["none", "returned", "overheat", "runaway", "cooling"]


@dataclass(slots=True)
class BatterySlot:
    """A slot and the battery in it; `battery` None is an empty slot."""

    n: int
    battery: str | None
    soc_pct: float
    soh_pct: float
    temp_c: float
    enabled: bool = True
    charger_on: bool = True
    door: Literal["open", "closed"] = "closed"
    silent: bool = False
    heat: Heat = "none"
    heat_from_c: float = 0.0
    heat_peak_c: float = 0.0
    heat_s: float = 0.0
    heat_rise_s: float = 20.0
    warmer_c_per_s: float = 0.0
    reported_hot: bool = False
    wrong: set[str] = field(default_factory=set)
    air_c: float = 20.0
    coming: str = ""

    @property
    def full(self) -> bool:
        """A battery that may be handed out."""
        return self.battery is not None and self.soc_pct >= READY_SOC_PCT

    @property
    def charging(self) -> bool:
        """The charger feeds the battery."""
        return self.battery is not None and self.charger_on and self.soc_pct < 99.5

    @property
    def hot(self) -> bool:
        """Worth a closer look."""
        return self.heat != "none" or self.temp_c >= 48.0

    def put_in(self, battery: str, soc_pct: float, soh_pct: float, temp_c: float) -> None:
        """A rider puts a battery in."""
        self.battery, self.soc_pct, self.soh_pct, self.temp_c = battery, soc_pct, soh_pct, temp_c

    def take_out(self, temp_c: float) -> None:
        """A rider takes the battery."""
        self.battery, self.soc_pct, self.temp_c = None, 0.0, temp_c

    def overheat(self, peak_c: float, rise_s: float) -> None:
        """Rise to `peak_c` within `rise_s` seconds and stay there until the charger stops."""
        self.heat_rise_s = rise_s
        self.heat, self.heat_from_c, self.heat_peak_c, self.heat_s = "overheat", self.temp_c, peak_c, 0.0

    def expect_hot(self, battery: str, peak_c: float) -> None:
        """A rider exchanges the battery for one that is about as hot as it gets already."""
        self.battery, self.coming = None, battery
        self.heat, self.heat_peak_c, self.heat_s = "returned", peak_c, 0.0

    def run_away(self) -> None:
        """Nothing but time stops this."""
        self.heat, self.heat_from_c, self.heat_peak_c, self.heat_s = (
            "runaway", self.temp_c, RUNAWAY_PEAK_C, 0.0,
        )  # fmt: skip

    def cool(self) -> None:
        """No longer heated."""
        self.heat = "cooling"

    def pass_time(self, dt_s: float, air_c: float) -> None:
        """Let `dt_s` seconds go by in air of `air_c`."""
        if self.charging:
            slower = 1.0 if self.soc_pct < 85 else max(0.25, (100 - self.soc_pct) / 15)
            if self.temp_c >= GENTLE_FROM_C:
                slower = min(slower, GENTLY)
            self.soc_pct = min(100.0, self.soc_pct + CHARGE_PCT_PER_S * slower * dt_s)
        self.air_c = air_c
        if self.heat == "returned":
            self.heat_s += dt_s
            if self.heat_s < EXCHANGE_S:
                return
            self.put_in(self.coming, 30.0, 88.0, self.heat_peak_c - 1)
            self.overheat(self.heat_peak_c, 20.0)
            return
        if self.heat == "overheat" and not self.charger_on:
            self.cool()
        if self.heat == "overheat":
            self.heat_s += dt_s
            share = min(1.0, self.heat_s / self.heat_rise_s)
            self.temp_c = self.heat_from_c + (self.heat_peak_c - self.heat_from_c) * share
        elif self.heat == "runaway":
            rise_c_per_s = 1.5 if self.temp_c < 100 else 9.0
            self.temp_c = min(self.heat_peak_c, self.temp_c + rise_c_per_s * dt_s)
        else:
            warmer_c = WARMER_C if self.temp_c < GENTLE_FROM_C else GENTLY_WARMER_C
            rest_c = air_c + (warmer_c if self.charging else 2.0)
            tau_s = COOL_TAU_S if self.heat == "cooling" else WARM_TAU_S
            self.temp_c = rest_c + (self.temp_c - rest_c) * math.exp(-dt_s / tau_s)
            self.temp_c += self.warmer_c_per_s * dt_s
            if self.heat == "cooling" and self.temp_c < 45:
                self.heat = "none"

    def values(self) -> dict[str, Value]:
        """The fields of a report, rounded as sensors do."""
        there = self.battery is not None
        state = "empty"
        if self.heat == "runaway":
            state = "fault"
        elif there:
            state = "full" if self.soc_pct >= READY_SOC_PCT else "charging"
        values: dict[str, Value] = {
            "state": state,
            "enabled": self.enabled,
            "door": self.door,
            "charger_on": self.charger_on,
            "temp_c": round(self.temp_c, 1) if there else None,
            "soc_pct": float(int(self.soc_pct)) if there else None,
            "soh_pct": self.soh_pct if there else None,
            "pack_v": round(44.0 + 10.4 * self.soc_pct / 100, 1) if there else None,
            "pack_a": 0.0,
            "battery": self.battery,
            "bms": "ok" if there else None,
            "cell_delta_mv": float(20 + self._serial % 60) if there else None,
            "cycles": self._serial % 900 if there else None,
            "charger_temp_c": float(round(self.air_c + (22 if self.charging else 3))),
            "extinguisher": "idle",
        }
        if self.charging:
            values["pack_a"] = 9.0 if self.soc_pct < 85 else 4.0
        return said(values, SLOT, self.wrong) if self.wrong else values

    @property
    def _serial(self) -> int:
        digits = (self.battery or "")[2:]
        return int(digits) if digits.isdecimal() else 0
