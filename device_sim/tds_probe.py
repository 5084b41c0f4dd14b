"""What is dissolved in the water before and after the filters, as the probes of one machine read it."""

from __future__ import annotations

import random
from collections.abc import Mapping

from device_sim.behaviour import Arguments

WORN_PASSES = 0.25
WILD_EVERY, WILD_MG_L = 6, 900.0


class TdsProbe:
    """Both readings in mg/L. `stuck` keeps them as they are until it is None again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._in_mg_l = rng.uniform(70, 190)
        self._passes = rng.uniform(0.05, 0.09)
        self._readings = 0
        self.stuck: tuple[float, float] | None = None

    def stick(self) -> None:
        """Say the same for ever."""
        self.stuck = (round(self._in_mg_l), round(self._in_mg_l * self._passes, 1))

    def read(self, faults: Mapping[str, Arguments]) -> tuple[float, float]:
        """Before and after the filters; faults of the machine show in the second."""
        if self.stuck is not None:
            return self.stuck
        rng = self._rng
        tds_in = self._in_mg_l + rng.gauss(0, 1.2)
        passes = WORN_PASSES if "worn_membrane" in faults else self._passes
        tds_out = tds_in * passes + rng.gauss(0, 0.3)
        if "bad_water" in faults:
            tds_out = float(faults["bad_water"]["tds"]) + rng.gauss(0, 1.5)
        self._readings += 1
        if "tds_wild" in faults and self._readings % WILD_EVERY == 0:
            tds_out = WILD_MG_L
        return round(tds_in), round(max(0.0, tds_out), 1)
