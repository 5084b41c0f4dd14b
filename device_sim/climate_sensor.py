"""A simulated climate sensor: it reads the room's air; smoke, water and the help button come on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.fault_kind import Argument, FaultKind
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("climate_sensor")
NOISE_C = 0.08
"""No room is the same for half a day, whatever the air conditioning is set to."""
BEAT_MS = 60_000
QUICK_BEAT_MS = 10_000
"""While something is wrong."""
HOUR_MS = 3_600_000
SMOKE_AFTER_MS = 15_000
"""A fire smokes before its heat is felt."""


class ClimateSensor:
    """Reports the air every minute, and whatever is alarming at once."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = {
        "smoke": FaultKind("the smoke detector answers, whether or not anything burns"),
        "fire": FaultKind("the room burns: smoke, then fast rising heat"),
        "sos": FaultKind("somebody presses the help button"),
        "leak": FaultKind("water stands on the floor"),
        "mains_lost": FaultKind("the station has no mains; the sensor lives on its battery"),
        "low_battery": FaultKind(
            "the battery of the sensor is nearly empty", {"pct": Argument("what is left", 0, 100, 12)}
        ),
        "smoke_fault": FaultKind("the smoke detector fails its own test"),
        "stuck": FaultKind("the air temperature keeps the value it has"),
        "drift": FaultKind(
            "the air temperature goes wrong, more and more",
            {"c_per_h": Argument("by so much an hour", -60, 60, 2)},
        ),
        "jump": FaultKind(
            "every few readings are wild", {"temp_c": Argument("what they say instead", -40, 150, 95)}
        ),
        "silent": FaultKind("the sensor says nothing"),
    }

    def begin(self, start: Start) -> None:
        """All is well."""
        self._rng, self._place = start.rng, start.place
        self._faults: set[str] = set()
        self._battery_pct = float(self._rng.randint(85, 100))
        self._low_pct = self._battery_pct
        self._offset_c = 0.0
        self._drift_c_per_ms = 0.0
        self._drifted_ms = start.now_ms
        self._stuck_c: float | None = None
        self._wild_c: float | None = None
        self._readings = 0
        self._smoke_ms: int | None = None
        self._beat_every_ms = start.pace.beat_ms(BEAT_MS)
        self._full_every_ms = start.pace.full_ms
        self._reporter = Reporter(KIND.metrics, always=("temp_c",))
        self._beat_ms = start.now_ms + self._rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._seen_mains = self._place.house.mains_ok
        self._now_changed = False
        self._words: list[Word] = []

    def next_ms(self) -> int:
        """The next report; at once when the mains came or went."""
        if self._now_changed or self._seen_mains != self._place.house.mains_ok:
            return 0
        due_ms = min(self._beat_ms, self._full_ms)
        return due_ms if self._smoke_ms is None else min(due_ms, self._smoke_ms)

    def tick(self, now_ms: int) -> list[Word]:
        """Look at the room and report."""
        place = self._place
        place.house.pass_time(now_ms, place.world.outside_c(now_ms), place.room.inside)
        self._offset_c += self._drift_c_per_ms * (now_ms - self._drifted_ms)
        self._drifted_ms = now_ms
        if self._smoke_ms is not None and now_ms >= self._smoke_ms:
            self._smoke_ms = None
            self._say("smoke")
        self._report(now_ms)
        words, self._words = self._words, []
        return [] if "silent" in self._faults else words

    def report_all(self, by_ms: int) -> None:
        """Let the next report be a full one."""
        self._full_ms = min(by_ms, self._beat_ms, self._full_ms)

    def hears(self) -> bool:
        """Not while it is silent."""
        return "silent" not in self._faults

    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome:
        """A sensor obeys nothing."""
        return Outcome("rejected", "unknown action")

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        """Something happens, in the room or in the sensor."""
        self._faults.add(name)
        self._now_changed = True
        house = self._place.house
        if name in ("smoke", "sos", "leak"):
            self._say(name)
        elif name == "fire":
            house.burning = True
            self._smoke_ms = now_ms + SMOKE_AFTER_MS
        elif name == "mains_lost":
            house.mains_ok = False
        elif name == "low_battery":
            self._low_pct = float(args["pct"])
        elif name == "stuck":
            self._stuck_c = round(house.air_c, 1)
        elif name == "drift":
            self._drifted_ms = now_ms
            self._drift_c_per_ms = float(args["c_per_h"]) / HOUR_MS
        elif name == "jump":
            self._wild_c = float(args["temp_c"])

    def set_back(self, now_ms: int) -> None:
        """The hub asks nothing of it."""

    def heal(self, now_ms: int, name: str) -> None:
        """Somebody came, put it right and reset it by hand."""
        self._faults.discard(name)
        self._now_changed = True
        house = self._place.house
        if name == "fire":
            house.burning, house.air_c, self._smoke_ms = False, 30.0, None
        elif name == "mains_lost":
            house.mains_ok = True
        elif name == "low_battery":
            self._low_pct = self._battery_pct
        elif name == "stuck":
            self._stuck_c = None
        elif name == "drift":
            self._drift_c_per_ms = self._offset_c = 0.0
        elif name == "jump":
            self._wild_c = None
        elif name == "silent":
            self._full_ms = now_ms

    def _say(self, event: str) -> None:
        self._words.append(Say("event", {"type": event}, safety=event != "leak"))
        self._now_changed = True

    def _temp_c(self) -> float:
        if self._stuck_c is not None:
            return self._stuck_c
        self._readings += 1
        if self._wild_c is not None and self._readings % 5 == 0:
            return self._wild_c
        air_c = self._place.house.air_c + self._offset_c + self._rng.gauss(0, NOISE_C)
        return round(min(150.0, max(-40.0, air_c)), 1)

    def _values(self) -> dict[str, Value]:
        house, faults = self._place.house, self._faults
        smoke = "smoke" in faults or ("fire" in faults and self._smoke_ms is None)
        return {
            "temp_c": self._temp_c(),
            "humidity_pct": float(round(house.humidity_pct)),
            "smoke": smoke,
            "smoke_fault": "smoke_fault" in faults,
            "leak": "leak" in faults,
            "mains_ok": house.mains_ok,
            "sos": "sos" in faults,
            "battery_pct": self._low_pct,
        }

    def _report(self, now_ms: int) -> None:
        self._now_changed = self._now_changed or self._seen_mains != self._place.house.mains_ok
        if now_ms >= self._full_ms:
            take = Reporter.all
            self._full_ms = in_rhythm_ms(self._fulls_ms, now_ms, self._full_every_ms)
        elif now_ms >= self._beat_ms:
            take = Reporter.beat
        elif self._now_changed:
            take = Reporter.changed
        else:
            return
        self._now_changed = False
        self._seen_mains = self._place.house.mains_ok
        if now_ms >= self._beat_ms:
            quick = self._faults & {"smoke", "fire", "sos", "leak"}
            every_ms = QUICK_BEAT_MS if quick else self._beat_every_ms
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, every_ms)
        elif self._faults & {"fire"}:
            self._beat_ms = min(self._beat_ms, now_ms + QUICK_BEAT_MS)
        fields = take(self._reporter, self._values(), now_ms)
        if fields:
            self._words.append(Say("telemetry", fields))


BEHAVIOUR = ClimateSensor
