"""A simulated battery-swap cabinet: riders swap by the curve, batteries charge, and some of them burn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from device_sim.battery_slot import RUNAWAY_DEAF_C, RUNAWAY_SMOKE_C, BatterySlot
from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.cabinet_faults import FAULTS
from device_sim.fault_kind import FaultKind, UnknownFault
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from device_sim.swapping import Swapping
from device_sim.wrong_words import CABINET, SLOT, said
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("swap_cabinet")
BEAT_MS = 30_000
HOT_BEAT_MS = 5_000
OVERHEAT_C = 60.0
RUNAWAY_C = 75.0
SLOTS_PER_MESSAGE = 24
"""A full report of 24 slots is about 6 KiB; a message may have 16."""


class SwapCabinet:
    """Slots, one swap at a time, and the cabinet's own reports; it cuts nothing by itself."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = FAULTS

    def begin(self, start: Start) -> None:
        """One slot is empty for the next rider, the others are somewhere in their charging."""
        self._rng, self._place = start.rng, start.place
        rng, count = self._rng, start.size.get("slots") or self._rng.choice((10, 12))
        air_c = self._place.world.outside_c(start.now_ms) + 3
        self._slots = {
            n: BatterySlot(
                n, self._new_battery(), self._first_charge(), self._new_health(), air_c + rng.uniform(2, 9)
            )
            for n in range(1, count + 1)
        }
        self._slots[rng.randint(1, count)].take_out(air_c)
        self._faults: dict[str, int] = {}
        self._power_on = True
        self._energy_kwh = round(rng.uniform(200, 9_000), 2)
        self._swapping = Swapping(rng, start.place, start.now_ms, self._returned)
        self._own = Reporter(KIND.metrics, always=("status",))
        self._parts = {n: Reporter(KIND.part_metrics, always=("temp_c",)) for n in self._slots}
        self._passed_ms = start.now_ms
        self._beat_every_ms, self._full_every_ms = start.pace.beat_ms(BEAT_MS), start.pace.full_ms
        self._beat_ms = start.now_ms + rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._now_changed = False
        self._words: list[Word] = []

    def next_ms(self) -> int:
        """The next report or step of a swap."""
        return 0 if self._now_changed else min(self._beat_ms, self._full_ms, self._swapping.next_ms)

    def tick(self, now_ms: int) -> list[Word]:
        """Let time pass, move the swap on, report."""
        self._pass_time(now_ms)
        if now_ms >= self._swapping.next_ms:
            works = self._power_on and "smoke" not in self._faults
            swapped = self._swapping.go_on(now_ms, self._slots.values(), self._air_c(now_ms), works)
            if swapped is not None:
                self._words.append(Say("event", swapped))
            self._now_changed = True
        self._notice_heat()
        self._report(now_ms)
        words, self._words = self._words, []
        return [] if "dead" in self._faults else words

    def report_all(self, by_ms: int) -> None:
        """Let the next report be a full one."""
        self._full_ms = min(by_ms, self._beat_ms, self._full_ms)

    def hears(self) -> bool:
        """Not when it is dead."""
        return "dead" not in self._faults

    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome:
        """All three only make things safer, so they are done at once, and again when asked again."""
        self._pass_time(now_ms)
        if action == "cut_power":
            self._power_on = False
            for slot in self._slots.values():
                slot.charger_on = False
        elif action in ("stop_charge", "disable_slot"):
            slot_n = args.get("slot")
            found = self._slots.get(slot_n) if type(slot_n) is int else None
            if found is None:
                return Outcome("rejected", f"there is no slot {slot_n}")
            if action == "stop_charge":
                found.charger_on = False
            else:
                found.enabled = False
        else:
            return Outcome("rejected", "unknown action")
        self._now_changed = True
        return Outcome("done")

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        """Break."""
        self._pass_time(now_ms)
        self._now_changed = True
        if name in ("smoke", "dead") or name in CABINET:
            self._faults[name] = 0
            if name == "smoke":
                self._say_smoke()
            return
        slot = self._pick(args.get("slot"))
        self._faults[name] = slot.n
        if name == "slot_silent":
            slot.silent = True
            return
        if slot.battery is None:
            slot.put_in(self._new_battery(), 50.0, self._new_health(), slot.temp_c)
        if name in SLOT:
            slot.wrong = {*slot.wrong, name}
            if name == "extinguisher":
                body = {"type": "extinguisher_fired", "slot": slot.n}
                self._words.append(Say("event", body, safety=True))
        elif name == "overheat":
            peak_c = args.get("temp_c")
            peak_c = self._rng.uniform(62, 68) if peak_c is None else float(peak_c)
            slot.soc_pct = min(slot.soc_pct, 60.0)  # only a battery that is being charged overheats
            slot.charger_on = True
            if args.get("rise_s") is None:
                slot.expect_hot(self._new_battery(), peak_c)
            else:
                slot.overheat(peak_c, args["rise_s"])
        else:
            slot.run_away()
            for neighbour in (self._slots.get(slot.n - 1), self._slots.get(slot.n + 1)):
                if neighbour is not None:
                    neighbour.warmer_c_per_s = 0.5 / 60
        self._beat_ms = min(self._beat_ms, now_ms + HOT_BEAT_MS)

    def set_back(self, now_ms: int) -> None:
        """Power and all slots are on again."""
        self._pass_time(now_ms)
        self._reset()
        self._now_changed = True

    def heal(self, now_ms: int, name: str) -> None:
        """Somebody came, repaired it and set it back by hand."""
        self._pass_time(now_ms)
        slot = self._slots.get(self._faults.pop(name, 0))
        self._now_changed = True
        if name == "dead":
            self._full_ms = now_ms
        if slot is not None:
            slot.silent = False
            slot.wrong = slot.wrong - {name}
        if name == "slot_silent":
            return
        if name == "runaway" and slot is not None:
            slot.take_out(self._air_c(now_ms))
            slot.heat = "none"
            self._faults.pop("smoke", None)
        if name in ("overheat", "runaway", "smoke"):
            self._reset()

    def _reset(self) -> None:
        self._power_on = True
        for slot in self._slots.values():
            slot.enabled = slot.charger_on = True
            slot.warmer_c_per_s, slot.reported_hot = 0.0, False
            if slot.heat in ("overheat", "returned"):
                slot.cool()

    def _pick(self, n: Any) -> BatterySlot:
        if n is not None:
            slot = self._slots.get(int(n))
            if slot is None:
                raise UnknownFault(f"There is no slot {int(n)}; this cabinet has 1 to {len(self._slots)}.")
            return slot
        charging = [slot for slot in self._slots.values() if slot.charging]
        return self._rng.choice(charging or list(self._slots.values()))

    def _air_c(self, now_ms: int) -> float:
        return self._place.world.outside_c(now_ms) + 3

    def _pass_time(self, now_ms: int) -> None:
        dt_s = (now_ms - self._passed_ms) / 1000
        self._passed_ms = now_ms
        if dt_s <= 0:
            return
        air_c = self._air_c(now_ms)
        for slot in self._slots.values():
            slot.pass_time(dt_s, air_c)
        self._energy_kwh += self._power_w() * dt_s / 3.6e6

    def _power_w(self) -> float:
        if not self._power_on:
            return 25.0
        return 40.0 + 480.0 * sum(1 for slot in self._slots.values() if slot.charging)

    def _notice_heat(self) -> None:
        for slot in self._slots.values():
            if slot.heat == "overheat" and slot.temp_c >= OVERHEAT_C and not slot.reported_hot:
                slot.reported_hot = True
                self._say("overheat", slot)
            elif slot.heat == "runaway":
                if slot.temp_c >= RUNAWAY_C and not slot.reported_hot:
                    slot.reported_hot = True
                    self._say("runaway", slot, safety=True)
                if slot.temp_c >= RUNAWAY_SMOKE_C and "smoke" not in self._faults:
                    self._faults["smoke"] = 0
                    self._say_smoke()
                slot.silent = slot.silent or slot.temp_c >= RUNAWAY_DEAF_C

    def _say(self, event: str, slot: BatterySlot, safety: bool = False) -> None:
        body = {"type": event, "slot": slot.n, "temp_c": round(slot.temp_c, 1)}
        self._words.append(Say("event", body, safety))

    def _say_smoke(self) -> None:
        self._words.append(Say("event", {"type": "smoke"}, safety=True))

    def _values(self) -> dict[str, Value]:
        air_c = self._air_c(self._passed_ms)
        values: dict[str, Value] = {
            "status": self._swapping.status,
            "enabled": True,
            "charging_enabled": self._power_on,
            "smoke": "smoke" in self._faults,
            "mains_ok": True,
            "flooded": False,
            "service_door": "closed",
            "cabinet_temp_c": round(air_c, 0),
            "power_w": self._power_w(),
            "energy_kwh": round(self._energy_kwh, 1),
            "estop": False,
        }
        return said(values, CABINET, self._faults)

    def _report(self, now_ms: int) -> None:
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
        if now_ms >= self._beat_ms:
            hot = any(slot.hot for slot in self._slots.values())
            every_ms = HOT_BEAT_MS if hot else self._beat_every_ms
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, every_ms)
        own: dict[str, Any] = take(self._own, self._values(), now_ms)
        slots: list[dict[str, Any]] = []
        for n, slot in self._slots.items():
            if slot.silent:
                continue
            fields = take(self._parts[n], slot.values(), now_ms)
            if fields:
                slots.append({"n": n, **fields})
        for first in range(0, max(1, len(slots)), SLOTS_PER_MESSAGE):
            part = slots[first : first + SLOTS_PER_MESSAGE]
            body = (own if first == 0 else {}) | ({"slots": part} if part else {})
            if body:
                self._words.append(Say("telemetry", body))

    def _first_charge(self) -> float:
        return 100.0 if self._rng.random() < 0.7 else self._rng.uniform(20, 95)

    def _returned(self) -> tuple[str, float]:
        return self._new_battery(), self._new_health()

    def _new_battery(self) -> str:
        return f"BT{self._rng.randrange(10**9):09d}"

    def _new_health(self) -> float:
        return float(self._rng.randint(78, 100))


BEHAVIOUR = SwapCabinet
