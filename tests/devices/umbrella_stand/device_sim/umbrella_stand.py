"""A simulated umbrella stand: one bay drips when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.fault_kind import FaultKind
from device_sim.reporter import Reporter
from devices.registry import kind_of

KIND = kind_of("umbrella_stand")


class UmbrellaStand:
    """Four umbrellas, of which one may be very wet."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = {"soaked": FaultKind("a tray fills with 30 mL a minute")}

    def begin(self, start: Start) -> None:
        self._tray_ml, self._dripping, self._locked, self._changed = 0.0, False, False, False
        self._full_every_ms, self._beat_every_ms = start.pace.full_ms, start.pace.beat_ms(30_000)
        self._passed_ms = start.now_ms
        self._beat_ms, self._full_ms = start.now_ms + 30_000, start.now_ms + self._full_every_ms
        self._own, self._bay = Reporter(KIND.metrics), Reporter(KIND.part_metrics)

    def next_ms(self) -> int:
        return 0 if self._changed else min(self._beat_ms, self._full_ms)

    def tick(self, now_ms: int) -> list[Word]:
        if self._dripping:
            self._tray_ml += 30 * (now_ms - self._passed_ms) / 60_000
        self._passed_ms = now_ms
        if not self._changed and now_ms < min(self._beat_ms, self._full_ms):
            return []
        take = Reporter.all if now_ms >= self._full_ms else Reporter.beat
        if now_ms >= self._full_ms:
            self._full_ms = now_ms + self._full_every_ms
        self._beat_ms, self._changed = now_ms + self._beat_every_ms, False
        body: dict[str, Any] = take(self._own, {"umbrellas": 4, "locked": self._locked}, now_ms)
        bay = take(self._bay, {"tray_ml": round(self._tray_ml, 1)}, now_ms)
        return [Say("telemetry", {**body, "bays": [{"n": 2, **bay}]} if bay else body)]

    def report_all(self, by_ms: int) -> None:
        self._full_ms = min(by_ms, self._beat_ms, self._full_ms)

    def hears(self) -> bool:
        return True

    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome:
        if action != "close":
            return Outcome("rejected", "unknown action")
        self._locked = self._changed = True
        return Outcome("done")

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        self._dripping = self._changed = True

    def heal(self, now_ms: int, name: str) -> None:
        self._dripping, self._changed, self._tray_ml = False, True, 0.0


BEHAVIOUR = UmbrellaStand
