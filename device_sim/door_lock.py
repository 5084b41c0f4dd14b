"""A simulated door lock: visitors, signed unlocks and the inside button move bolt and leaf."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from device_sim.behaviour import NEVER_MS, Arguments, Finished, Outcome, Say, Start, Word
from device_sim.fault_kind import Argument, FaultKind
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from device_sim.wrong_words import DOOR, fault_kinds, said
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("door_lock")
BEAT_MS = 60_000
OPEN_S = 8
MODES = {"release": "fire_release", "lockdown": "lockdown", "resume": "normal"}
STAYS_UNLOCKED = ("fire_release", "free_access")
USED_SHARE = 0.92
"""How many of those who unlock by phone really go in."""

OFF_MS = NEVER_MS


class DoorLock:
    """Four timers (bolt moves, leaf opens, leaf closes, lock again) and one list of who waits for what."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = {
        "forced": FaultKind("the leaf is pried open while the bolt is locked"),
        "jammed": FaultKind("the bolt does not move any more; the handle inside still opens"),
        "held_open": FaultKind("somebody keeps the door open"),
        "lock_battery_low": FaultKind(
            "the battery of the lock runs out", {"pct": Argument("charge in percent", 0, 100, 9)}
        ),
        "stays_unlocked": FaultKind("the bolt does not lock again"),
        "silent": FaultKind("the lock says nothing; it still obeys"),
        **fault_kinds(DOOR),
    }

    def begin(self, start: Start) -> None:
        """Locked and closed, people come by the room's curve."""
        self._rng, self._room = start.rng, start.place.room
        self._room.gated = True
        self._bolt, self._leaf, self._mode, self._cause = "locked", "closed", "normal", "unknown"
        self._faults: set[str] = set()
        self._battery_pct = round(self._rng.uniform(55, 100), 1)
        self._bolt_ms = self._open_ms = self._close_ms = self._lock_ms = OFF_MS
        self._unlocking: list[tuple[str, str | None, int]] = []
        self._going_in = self._going_out = 0
        self._reporter = Reporter(KIND.metrics, always=("bolt", "leaf"))
        self._beat_every_ms, self._full_every_ms = start.pace.beat_ms(BEAT_MS), start.pace.full_ms
        self._beat_ms = start.now_ms + self._rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._words: list[Word] = []

    def next_ms(self) -> int:
        """The nearest timer, person or report."""
        return min(
            self._bolt_ms, self._open_ms, self._close_ms, self._lock_ms,
            self._room.next_ms(), self._beat_ms, self._full_ms,
        )  # fmt: skip

    def tick(self, now_ms: int) -> list[Word]:
        """Move what is due, then report what has changed."""
        while (who := self._room.due(now_ms)) is not None:
            self._somebody_wants(who, now_ms)
        while (at_ms := min(self._bolt_ms, self._open_ms, self._close_ms, self._lock_ms)) <= now_ms:
            if at_ms == self._bolt_ms:
                self._move_bolt(now_ms)
            elif at_ms == self._open_ms:
                self._open_leaf(now_ms)
            elif at_ms == self._close_ms:
                self._close_leaf(now_ms)
            else:
                self._lock_again()
        self._report(now_ms)
        words, self._words = self._words, []
        if "silent" in self._faults:
            return [word for word in words if isinstance(word, Finished)]
        return words

    def report_all(self, by_ms: int) -> None:
        """Let the next report be a full one."""
        self._full_ms = min(by_ms, self._beat_ms, self._full_ms)

    def hears(self) -> bool:
        """No fault of its own makes it deaf; a frozen link does."""
        return True

    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome:
        """`unlock` ends when the bolt has moved; the three modes are taken at once."""
        if action == "unlock":
            if self._mode in ("lockdown", "maintenance"):
                return Outcome("rejected", self._mode)
            open_s = args.get("open_s", OPEN_S)
            if type(open_s) is not int or not 1 <= open_s <= 10:
                return Outcome("rejected", "open_s is not a whole number from 1 to 10")
            self._unlock(now_ms, "remote", command_id, open_s)
            if self._rng.random() < USED_SHARE:
                self._going_in += 1
            return Outcome("pending")
        if action not in MODES:
            return Outcome("rejected", "unknown action")
        self._mode = MODES[action]
        if self._mode in STAYS_UNLOCKED:
            self._unlock(now_ms, "fire", None, OPEN_S)
            return Outcome("done")
        if self._mode == "lockdown":
            self._let_nobody_in()
        if self._leaf == "closed":
            self._lock_ms = now_ms
        return Outcome("done")

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        """Break."""
        self._faults.add(name)
        if name == "jammed":
            self._jam()
        elif name == "forced" and self._leaf == "closed":
            self._leaf, self._close_ms = "open", OFF_MS
            self._say("forced", safety=True)
        elif name == "held_open":
            self._close_ms = OFF_MS
            if self._leaf == "closed":
                self._going_in += 1
                self._unlock(now_ms, "pass", None, OPEN_S)
        elif name == "lock_battery_low":
            self._battery_pct = float(args["pct"])
        elif name == "stays_unlocked" and self._bolt == "locked":
            self._unlock(now_ms, "inside_button", None, OPEN_S)

    def set_back(self, now_ms: int) -> None:
        """It locks and lets in as usual."""
        self.on_command(now_ms, "on site", "resume", {})

    def heal(self, now_ms: int, name: str) -> None:
        """Repair."""
        self._faults.discard(name)
        if name == "jammed":
            self._bolt = "unlocked" if self._mode in STAYS_UNLOCKED else "locked"
            self._say("unlocked" if self._bolt == "unlocked" else "locked")
        elif name in ("forced", "held_open") and self._leaf == "open":
            self._close_ms = now_ms + 500
        elif name == "lock_battery_low":
            self._battery_pct = 100.0
        elif name == "stays_unlocked" and self._leaf == "closed":
            self._lock_ms = now_ms
        elif name == "silent":
            self._full_ms = now_ms

    def _somebody_wants(self, who: str, now_ms: int) -> None:
        if self._leaf == "open":
            self._walk_through(now_ms, who)
        elif who == "out":
            # The handle inside needs neither bolt nor battery.
            self._going_out += 1
            self._say("inside_button")
            if self._bolt == "jammed":
                self._open_ms = min(self._open_ms, now_ms + 1_000)
            else:
                self._unlock(now_ms, "inside_button", None, OPEN_S)
        elif self._mode in ("lockdown", "maintenance") or self._bolt == "jammed":
            return
        else:
            self._going_in += 1
            cause = "pass" if self._rng.random() < 0.85 else "card"
            self._unlock(now_ms, cause, None, OPEN_S)

    def _let_nobody_in(self) -> None:
        """Whoever was on the way in is turned back; whoever wants out goes on."""
        for cause, command_id, _ in self._unlocking:
            if command_id and cause != "inside_button":
                self._words.append(Finished(command_id, "lockdown"))
        self._unlocking = [one for one in self._unlocking if one[0] == "inside_button"]
        self._going_in = 0
        if not self._unlocking and self._bolt_ms != OFF_MS:
            self._bolt_ms = OFF_MS
            if self._bolt == "moving":
                self._bolt = "locked"

    def _walk_through(self, now_ms: int, who: str) -> None:
        if who == "in":
            self._room.enter(now_ms)
        else:
            self._room.leave()

    def _unlock(self, now_ms: int, cause: str, command_id: str | None, open_s: int) -> None:
        self._unlocking.append((cause, command_id, open_s))
        if self._bolt == "locked":
            self._bolt = "moving"
        if self._bolt_ms == OFF_MS:
            quick = self._bolt == "unlocked"
            self._bolt_ms = now_ms + (0 if quick else self._rng.randrange(300, 800))

    def _move_bolt(self, now_ms: int) -> None:
        self._bolt_ms = OFF_MS
        wanted, self._unlocking = self._unlocking, []
        if "jammed" in self._faults:
            self._going_in = 0
            self._jam()
            self._words += [Finished(command_id, "jammed") for _, command_id, _ in wanted if command_id]
            return
        self._bolt = "unlocked"
        self._battery_pct = max(0.0, round(self._battery_pct - 0.01, 2))
        for cause, command_id, open_s in wanted:
            self._cause = cause
            more = {"last_unlock_cause": cause} | ({"command": command_id} if command_id else {})
            self._say("unlocked", more)
            if command_id:
                self._words.append(Finished(command_id))
            self._lock_ms = now_ms + open_s * 1000
        if (self._going_in or self._going_out) and self._leaf == "closed":
            self._open_ms = min(self._open_ms, now_ms + self._rng.randrange(800, 2_500), self._lock_ms - 100)

    def _open_leaf(self, now_ms: int) -> None:
        self._open_ms = OFF_MS
        if self._leaf == "closed":
            self._leaf = "open"
            self._say("opened")
        for _ in range(self._going_out):
            self._room.leave()
        for _ in range(self._going_in):
            self._room.enter(now_ms)
        self._going_in = self._going_out = 0
        if not self._faults & {"held_open", "forced"}:
            self._close_ms = now_ms + self._rng.randrange(4_000, 12_000)

    def _close_leaf(self, now_ms: int) -> None:
        self._close_ms = OFF_MS
        self._leaf = "closed"
        self._say("closed")
        self._lock_ms = now_ms + 600

    def _lock_again(self) -> None:
        self._lock_ms = OFF_MS
        if "stays_unlocked" in self._faults:
            return
        if self._leaf == "open" or self._mode in STAYS_UNLOCKED or self._bolt != "unlocked":
            return
        if "jammed" in self._faults:
            self._jam()
        else:
            self._bolt = "locked"
            self._say("locked")

    def _jam(self) -> None:
        self._bolt = "jammed"
        self._say("jammed")

    def _say(
        self, event: str, more: Mapping[str, Value] = MappingProxyType({}), safety: bool = False
    ) -> None:
        body = {"type": event, "bolt": self._bolt, "leaf": self._leaf, **more}
        self._words.append(Say("event", body, safety))

    def _values(self) -> dict[str, Value]:
        values: dict[str, Value] = {
            "bolt": self._bolt,
            "leaf": self._leaf,
            "mode": self._mode,
            "forced": "forced" in self._faults,
            "battery_pct": self._battery_pct,
            "mains_ok": True,
            "tamper": False,
            "last_unlock_cause": self._cause,
        }
        return said(values, DOOR, self._faults)

    def _report(self, now_ms: int) -> None:
        values = self._values()
        if now_ms >= self._full_ms:
            fields = self._reporter.all(values, now_ms)
            self._full_ms = in_rhythm_ms(self._fulls_ms, now_ms, self._full_every_ms)
        elif now_ms >= self._beat_ms:
            fields = self._reporter.beat(values, now_ms)
        else:
            if values["bolt"] == "moving":
                del values["bolt"]  # over in a moment, and an event says how
            fields = self._reporter.changed(values, now_ms)
        if now_ms >= self._beat_ms:
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, self._beat_every_ms)
        if fields:
            self._words.append(Say("telemetry", fields))


BEHAVIOUR = DoorLock
