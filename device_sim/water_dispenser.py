"""A simulated water dispenser: people draw from it, it heats and refills, and breaks when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.fault_kind import FaultKind, UnknownFault
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from device_sim.tds_probe import TdsProbe
from device_sim.thirst import Thirst
from device_sim.water_faults import FAULTS, WRONG
from device_sim.waterworks import Waterworks, cartridges
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("water_dispenser")
BEAT_MS, QUICK_BEAT_MS = 60_000, 5_000
FLUSH_MS = 90_000
BURN_SAID_C = 103.0


class WaterDispenser:
    """It shuts nothing off by itself but what its own fuse melts; the hub closes, cuts and stops."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = FAULTS

    def begin(self, start: Start) -> None:
        """Full and hot, some months in use."""
        self._rng, self._place = start.rng, start.place
        rng = self._rng
        self._water = Waterworks(cartridges(rng), inlet_c=self._inlet_c(start.now_ms))
        water = self._water
        water.tank_l, water.hot_c = rng.uniform(7.2, 9.4), rng.uniform(92.5, 96.5)
        water.filtered_l = max(one.litres_used for one in water.filters)
        water.given_l = round(water.filtered_l * 0.9, 1)
        water.uv_h = rng.uniform(200, 5_500)
        self._sanitised_ms = start.now_ms - rng.randrange(1, 60) * 86_400_000
        self._pressure_kpa = water.pressure_kpa = round(rng.uniform(190, 330))
        self._tds = TdsProbe(rng)
        self._faults: dict[str, Arguments] = {}
        self._before: list[tuple[int, float, float]] = []
        self._own = Reporter(KIND.metrics, always=("tank_level_pct", "hot_temp_c"))
        self._parts = {n: Reporter(KIND.part_metrics) for n in range(1, len(water.filters) + 1)}
        self._beat_every_ms = start.pace.beat_ms(BEAT_MS)
        self._full_every_ms = start.pace.full_ms
        self._passed_ms = start.now_ms
        self._beat_ms = start.now_ms + rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._thirst = Thirst(rng, start.place)
        self._burn_said = False
        self._now_changed = False
        self._dead = False
        self._words: list[Word] = []

    def next_ms(self) -> int:
        """The next report, the next who is thirsty, or the end of a draw."""
        if self._now_changed or self._dead != self._powerless() or self._thirst.someone_came:
            return 0
        due_ms = min(self._beat_ms, self._full_ms)
        thirsty_ms = self._thirst.next_ms()
        if thirsty_ms is not None:
            due_ms = min(due_ms, thirsty_ms)
        left_ms = self._water.left_ms()
        return due_ms if left_ms is None else min(due_ms, self._passed_ms + left_ms)

    def tick(self, now_ms: int) -> list[Word]:
        """Let water run, serve who is thirsty, report."""
        doing = self._doing()
        self._pass_time(now_ms)
        self._serve(now_ms)
        if self._doing() != doing:
            self._now_changed = True
        self._notice_burn()
        self._report(now_ms)
        words, self._words = self._words, []
        return words if self.hears() else []

    def report_all(self, by_ms: int) -> None:
        """Let the next report be a full one."""
        self._full_ms = min(by_ms, self._beat_ms, self._full_ms)

    def hears(self) -> bool:
        """Not while it is silent or without mains."""
        return "silent" not in self._faults and not self._powerless()

    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome:
        """What makes it safer is always done; what lets water or heat in looks first."""
        self._pass_time(now_ms)
        self._now_changed = True
        water = self._water
        if action == "close_valve":
            water.valve_closed = True
        elif action == "stop_supply":
            water.serving = False
        elif action == "cut_power":
            water.cut = True
        elif action == "flush":
            if not water.fed:
                return Outcome("rejected", "no water comes in")
            water.rinsing_ms = water.rinsing_ms or FLUSH_MS
        elif action == "open_valve":
            if "leak" in self._faults:
                return Outcome("rejected", "the floor is still wet")
            water.valve_closed = False
        elif action == "resume_supply":
            water.serving = True
        elif action == "restore_power":
            if "dry_burn" in self._faults:
                return Outcome("rejected", "the boiler is dry")
            water.cut = False
        else:
            return Outcome("rejected", "unknown action")
        return Outcome("done")

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        """Break."""
        self._pass_time(now_ms)
        self._faults[name] = args
        self._now_changed = True
        water = self._water
        if name == "leak":
            self._words.append(Say("event", {"type": "leak"}))
        elif name == "seep":
            water.seeping = True
        elif name == "no_inflow":
            water.pressure_kpa, water.tank_l = 12.0, min(water.tank_l, 1.6)
        elif name == "high_pressure":
            water.pressure_kpa = 560.0
        elif name == "no_heat":
            water.heating_works, water.hot_c = False, min(water.hot_c, 70.0)
        elif name == "dry_burn":
            water.pressure_kpa, water.tank_l, water.welded = 12.0, 0.0, True
        elif name == "stuck_tap":
            water.drawing_l = 10_000.0
        elif name == "no_flow":
            water.pump_works = False
        elif name == "tds_stuck":
            self._tds.stick()
        elif name in ("filter_due", "filter_expired"):
            self._wear(int(args["filter"]), 0.93 if name == "filter_due" else None, args.get("days"))

    def set_back(self, now_ms: int) -> None:
        """Water and heat come in again where nothing is in their way."""
        for action in ("open_valve", "resume_supply", "restore_power"):
            self.on_command(now_ms, "on site", action, {})

    def heal(self, now_ms: int, name: str) -> None:
        """Somebody came, repaired it, and let water and heat in again."""
        self._pass_time(now_ms)
        self._faults.pop(name, None)
        self._now_changed = True
        water = self._water
        if name == "leak":
            water.valve_closed = False
        elif name == "seep":
            water.seeping = water.valve_closed = False
        elif name in ("no_inflow", "high_pressure"):
            water.pressure_kpa = self._pressure_kpa
        elif name == "no_heat":
            water.heating_works = True
        elif name == "dry_burn":
            water.pressure_kpa, water.tank_l, water.welded, water.cut = self._pressure_kpa, 6.0, False, False
            water.hot_c, self._burn_said = 60.0, False
        elif name == "stuck_tap":
            water.drawing_l = 0.0
        elif name == "no_flow":
            water.pump_works = True
        elif name == "bad_water":
            water.serving = True
        elif name == "tds_stuck":
            self._tds.stuck = None
        elif name in ("filter_due", "filter_expired"):
            while self._before:
                n, litres, hours = self._before.pop()
                water.filters[n - 1].litres_used, water.filters[n - 1].hours_used = litres, hours
                self._words.append(Say("event", {"type": "filter_changed", "filter": n}))
            water.serving = True
        elif name == "silent":
            self._full_ms = now_ms

    def _wear(self, n: int, share: float | None, days: Any) -> None:
        filters = self._water.filters
        if not 1 <= n <= len(filters):
            raise UnknownFault(f"There is no cartridge {n}; this dispenser has 1 to {len(filters)}.")
        one = filters[n - 1]
        self._before.append((n, 0.0, 0.0))
        one.hours_used = one.hours_total * share if share else one.hours_total + 24 * float(days or 0)

    def _powerless(self) -> bool:
        return not self._place.house.mains_ok

    def _inlet_c(self, now_ms: int) -> float:
        return min(32.0, max(6.5, 8.0 + 0.6 * self._place.world.outside_c(now_ms)))

    def _pass_time(self, now_ms: int) -> None:
        dt_ms = now_ms - self._passed_ms
        self._passed_ms = now_ms
        water, was_dead = self._water, self._dead
        self._dead = self._powerless()
        if was_dead and not self._dead:
            self._full_ms = now_ms
        if dt_ms <= 0:
            return
        water.inlet_c = self._inlet_c(now_ms)
        if was_dead:
            water.hot_c = max(water.inlet_c, water.hot_c - 0.08 * dt_ms / 60_000)
            return
        water.pass_time(dt_ms)

    def _serve(self, now_ms: int) -> None:
        """Of those who came in some are thirsty; one draws after the other."""
        water, thirst = self._water, self._thirst
        thirst.come_in(now_ms)
        while thirst.turn(now_ms, busy=water.drawing_l > 0 or water.rinsing_ms > 0):
            if not self._dead and water.serving and (water.tank_l > 0.3 or not water.pump_works):
                water.drawing_l = thirst.litres(now_ms)

    def _notice_burn(self) -> None:
        if self._water.hot_c >= BURN_SAID_C and not self._burn_said:
            self._burn_said = self._now_changed = True
            self._words.append(Say("event", {"type": "dry_burn", "hot_temp_c": round(self._water.hot_c, 1)}))

    def _doing(self) -> str:
        water = self._water
        checks: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("rinsing", lambda: water.rinsing_ms > 0),
            ("dispensing", lambda: water.drawing_l > 0),
            ("heating", lambda: water.heater_on),
        )
        return next((name for name, is_so in checks if is_so()), "idle")

    def _values(self, now_ms: int) -> dict[str, Value]:
        water = self._water
        tds_in, tds_out = self._tds.read(self._faults)
        drawing = water.drawing_l > 0 and water.pump_works and water.serving
        values: dict[str, Value] = {
            "state": self._doing(),
            "purifier": "ro",
            "tank_level_pct": float(round(water.tank_pct)),
            "inlet_pressure_kpa": float(water.pressure_kpa),
            "inlet_temp_c": float(round(water.inlet_c)),
            "flow_lpm": round(water.flow_lpm, 1),
            "out_lpm": 1.8 if drawing else 0.0,
            "total_litres": round(water.filtered_l, 1),
            "dispensed_litres": round(water.given_l, 1),
            "tds_in": float(tds_in),
            "tds_out": tds_out,
            "hot_temp_c": float(round(water.hot_c)),
            "cold_temp_c": float(round(water.inlet_c)),
            "heater_on": water.heater_on,
            "uv_on": True,
            "uv_hours": float(round(water.uv_h)),
            "leak": "leak" in self._faults,
            "float_ok": "dry_burn" not in self._faults,
            "valve_closed": water.valve_closed,
            "serving": water.serving,
            "cut": water.cut,
            "fault_code": "",
            "sanitised_days": float((now_ms - self._sanitised_ms) // 86_400_000),
        }
        for name in self._faults:
            if name in WRONG:
                values.update(WRONG[name][1])
        return values

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
            quick = self._faults.keys() & {"leak", "dry_burn"}
            every_ms = QUICK_BEAT_MS if quick else self._beat_every_ms
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, every_ms)
        elif self._faults.keys() & {"leak", "dry_burn"}:
            self._beat_ms = min(self._beat_ms, now_ms + QUICK_BEAT_MS)
        body: dict[str, Any] = take(self._own, self._values(now_ms), now_ms)
        filters: list[dict[str, Any]] = []
        for n, one in enumerate(self._water.filters, start=1):
            fields = take(self._parts[n], one.values(), now_ms)
            if fields:
                filters.append({"n": n, **fields})
        if filters:
            body["filters"] = filters
        if body:
            self._words.append(Say("telemetry", body))


BEHAVIOUR = WaterDispenser
