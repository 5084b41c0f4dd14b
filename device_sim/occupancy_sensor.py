"""A simulated occupancy sensor: it counts over the door, and may stick, drift or fall silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.fault_kind import Argument, FaultKind
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from device_sim.world import DAY_MS
from device_sim.wrong_words import COUNTER, fault_kinds, said
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("occupancy_sensor")
BEAT_MS = 10_000
RESET_HOUR = 4


class OccupancySensor:
    """Reads the room. Without a door in the station it also lets people come and go."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = {
        "stuck": FaultKind("the counter and the presence keep the values they have"),
        "drift": FaultKind(
            "the counter counts people who are not there",
            {"per_min": Argument("people too many, a minute", -60, 60, 1)},
        ),
        "jumps": FaultKind(
            "every third reading of the counter is wild",
            {"people": Argument("by how many", 1, 900, 60)},
        ),
        "silent": FaultKind("the sensor says nothing"),
        **fault_kinds(COUNTER),
    }

    def begin(self, start: Start) -> None:
        """Counting starts with who is there."""
        self._place = start.place
        self._room = start.place.room
        self._faults: set[str] = set()
        self._offset = 0.0
        self._drift_per_ms = 0.0
        self._drifted_ms = start.now_ms
        self._seen = (self._room.in_total, self._room.out_total)
        self._stuck_values: dict[str, Value] | None = None
        self._reporter = Reporter(KIND.metrics, always=("count_raw", "presence"))
        self._beat_every_ms, self._full_every_ms = start.pace.beat_ms(BEAT_MS), start.pace.full_ms
        self._beat_ms = start.now_ms + start.rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._reset_day = -1
        self._jump, self._readings = 0, 0

    def next_ms(self) -> int:
        """At once when somebody came or went."""
        if self._seen != (self._room.in_total, self._room.out_total):
            return 0
        due_ms = min(self._beat_ms, self._full_ms)
        return due_ms if self._room.gated else min(due_ms, self._room.next_ms())

    def tick(self, now_ms: int) -> list[Word]:
        """Report."""
        while not self._room.gated and (who := self._room.due(now_ms)) is not None:
            if who == "in":
                self._room.enter(now_ms)
            else:
                self._room.leave()
        self._seen = (self._room.in_total, self._room.out_total)
        self._offset += self._drift_per_ms * (now_ms - self._drifted_ms)
        self._drifted_ms = now_ms
        words: list[Word] = []
        if self._is_reset_due(now_ms):
            self._offset = 0.0
            words.append(Say("event", {"type": "count_reset"}))
        values = said(self._stuck_values or self._values(), COUNTER, self._faults)
        if now_ms >= self._beat_ms:
            self._readings += 1
        count = values["count_raw"]
        if self._jump and self._readings % 3 == 0 and isinstance(count, int):
            values["count_raw"] = count + self._jump
        if now_ms >= self._full_ms:
            fields = self._reporter.all(values, now_ms)
            self._full_ms = in_rhythm_ms(self._fulls_ms, now_ms, self._full_every_ms)
        elif now_ms >= self._beat_ms:
            fields = self._reporter.beat(values, now_ms)
        else:
            fields = self._reporter.changed(values, now_ms)
        if now_ms >= self._beat_ms:
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, self._beat_every_ms)
        if fields:
            words.append(Say("telemetry", fields))
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
        """Break."""
        self._faults.add(name)
        if name == "stuck":
            self._stuck_values = self._values()
        elif name == "jumps":
            self._jump = int(args["people"])
        elif name == "drift":
            self._drifted_ms = now_ms
            self._drift_per_ms = float(args["per_min"]) / 60_000

    def set_back(self, now_ms: int) -> None:
        """The hub asks nothing of it."""

    def heal(self, now_ms: int, name: str) -> None:
        """Repair; the counter is set right."""
        self._faults.discard(name)
        if name == "stuck":
            self._stuck_values = None
        elif name == "drift":
            self._drift_per_ms = self._offset = 0.0
        elif name == "jumps":
            self._jump = 0
        elif name == "silent":
            self._full_ms = now_ms

    def _is_reset_due(self, now_ms: int) -> bool:
        """Once a night, when nobody is there and the counter says otherwise."""
        if int(self._offset) == 0 or self._room.inside or self._stuck_values:
            return False
        day = now_ms // DAY_MS
        if day == self._reset_day or int(self._place.world.moment(now_ms).hour) != RESET_HOUR:
            return False
        self._reset_day = day
        return True

    def _values(self) -> dict[str, Value]:
        room = self._room
        return {
            "count_raw": max(-1000, min(1000, room.inside + int(self._offset))),
            "presence": room.inside > 0,
            "in_total": room.in_total,
            "out_total": room.out_total,
        }


BEHAVIOUR = OccupancySensor
