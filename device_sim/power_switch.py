"""A simulated power switch: meter, lights, air conditioning; it never darkens a room in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from device_sim.behaviour import Arguments, Outcome, Say, Start, Word
from device_sim.circuit import Circuit
from device_sim.fault_kind import Argument, FaultKind, UnknownFault
from device_sim.pace import in_rhythm_ms
from device_sim.reporter import Reporter
from devices.registry import kind_of
from domain.facts import Value

KIND = kind_of("power_switch")
BEAT_MS = 60_000
TOO_HOT_C, TOO_COLD_C = 28.5, 13.0
COOL_TO_C, HEAT_TO_C = 26.0, 20.0
AC_W, AC_REST_W, AC_BROKEN_W = 1100.0, 8.0, 25.0
LIGHTS_W, SOCKETS_W, PERSON_W, WATER_W = 60.0, 35.0, 25.0, 90.0
ANY_CIRCUIT = Argument("number of the circuit; without it that of the sockets", 1, 16)


class PowerSwitch:
    """Its own motion sensor has the last word: nobody is left in the dark, and light comes back by itself."""

    FAULTS: ClassVar[Mapping[str, FaultKind]] = {
        "mains_lost": FaultKind("the station has no mains; the switch says so with what it has stored"),
        "trip": FaultKind("the breaker of a circuit trips", {"circuit": ANY_CIRCUIT}),
        "overload": FaultKind(
            "somebody plugs in too much",
            {"circuit": ANY_CIRCUIT, "amps": Argument("how much more flows", 1, 80, 24)},
        ),
        "hot_terminal": FaultKind("a loose terminal gets hot under load", {"circuit": ANY_CIRCUIT}),
        "stuck_relay": FaultKind("a relay is welded: told to open, it feeds on", {"circuit": ANY_CIRCUIT}),
        "leakage": FaultKind("current leaks to earth", {"ma": Argument("residual current", 1, 3000, 45)}),
        "voltage": FaultKind("the voltage is wrong", {"volts": Argument("what it is", 0, 500, 265)}),
        "ac_broken": FaultKind("the air conditioning runs and does nothing"),
        "meter_stuck": FaultKind("the meter counts no more"),
        "dead": FaultKind("the switch says nothing"),
    }

    def begin(self, start: Start) -> None:
        """Lights are on where people are; what is wanted of the air is seen later."""
        self._rng, self._place = start.rng, start.place
        rng = self._rng
        self._circuits = {
            1: Circuit(1, "lights", 10.0, load_w=LIGHTS_W),
            2: Circuit(2, "ac", 20.0),
            3: Circuit(3, "sockets", 16.0, load_w=SOCKETS_W),
            4: Circuit(4, "water", 16.0, load_w=WATER_W),
        }
        self._faults: dict[str, int] = {}
        self._lights = True
        self._cut = False
        self._resting = False
        self._voltage_v = self._healthy_v = round(rng.uniform(222, 233), 1)
        self._residual_ma = self._healthy_ma = round(rng.uniform(1, 6), 1)
        self._energy_kwh = rng.uniform(300, 6_000)
        self._own = Reporter(KIND.metrics, always=("power_w",))
        self._parts = {n: Reporter(KIND.part_metrics) for n in self._circuits}
        self._beat_every_ms = start.pace.beat_ms(BEAT_MS)
        self._full_every_ms = start.pace.full_ms
        self._passed_ms = start.now_ms
        self._beat_ms = start.now_ms + rng.randrange(self._beat_every_ms)
        self._full_ms = start.now_ms + self._full_every_ms
        self._fulls_ms = start.pace.some_full_ms(start.now_ms, self._beat_ms, self._beat_every_ms)
        self._seen_mains = self._place.house.mains_ok
        self._now_changed = False
        self._words: list[Word] = []

    def next_ms(self) -> int:
        """The next report; at once when the mains changed or somebody stands in the dark."""
        if self._now_changed or self._wants_light() or self._seen_mains != self._place.house.mains_ok:
            return 0
        return min(self._beat_ms, self._full_ms)

    def tick(self, now_ms: int) -> list[Word]:
        """Let time pass, serve who is there, report."""
        self._pass_time(now_ms)
        self._serve()
        self._notice_mains()
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
        """What makes it safer is always done; comfort needs mains; darkness needs an empty room."""
        self._pass_time(now_ms)
        refusal = self._obey(action, args)
        self._now_changed = True
        return Outcome("done") if refusal is None else Outcome("rejected", refusal)

    def fault(self, now_ms: int, name: str, args: Arguments) -> None:
        """Break."""
        self._pass_time(now_ms)
        self._now_changed = True
        circuit = self._pick(args.get("circuit")) if "circuit" in self.FAULTS[name].args else None
        self._faults[name] = circuit.n if circuit is not None else 0
        if name == "mains_lost":
            self._place.house.mains_ok = False
        elif name == "voltage":
            self._voltage_v = float(args["volts"])
        elif name == "leakage":
            self._residual_ma = float(args["ma"])
        elif name == "ac_broken":
            self._place.house.ac_works = False
        elif circuit is not None and name == "trip":
            circuit.tripped = True
            self._words.append(Say("event", {"type": "tripped", "circuit": circuit.n}))
        elif circuit is not None and name == "overload":
            circuit.on, circuit.overload_a = True, float(args["amps"])
        elif circuit is not None and name == "hot_terminal":
            circuit.loose = True
        elif circuit is not None and name == "stuck_relay":
            circuit.welded, circuit.on = True, False

    def set_back(self, now_ms: int) -> None:
        """The key is turned, every circuit is closed again."""
        self._now_changed = True
        self._cut = False
        for one in self._circuits.values():
            one.on = one.on or not one.welded

    def heal(self, now_ms: int, name: str) -> None:
        """Somebody came, repaired it, and turned the key."""
        self._pass_time(now_ms)
        self._now_changed = True
        circuit = self._circuits.get(self._faults.pop(name, 0))
        if name == "mains_lost":
            self._place.house.mains_ok = True
        elif name == "voltage":
            self._voltage_v = self._healthy_v
        elif name == "leakage":
            self._residual_ma = self._healthy_ma
        elif name == "ac_broken":
            self._place.house.ac_works = True
        elif name == "dead":
            self._full_ms = now_ms
        if circuit is not None:
            circuit.tripped = circuit.welded = circuit.loose = False
            circuit.on, circuit.overload_a = True, 0.0
        if name in ("leakage", "overload", "hot_terminal"):
            self.set_back(now_ms)

    def _obey(self, action: str, args: Arguments) -> str | None:
        house = self._place.house
        if action == "cut_power":
            self._cut = True
            for circuit in self._circuits.values():
                circuit.on = circuit.use == "lights"
            house.ac_mode = "off"
            return None
        if action in ("switch_off", "switch_on"):
            n = args.get("circuit")
            found = self._circuits.get(n) if type(n) is int else None
            if found is None:
                return f"there is no circuit {n}"
            if action == "switch_on" and self._cut:
                return "cut off for safety: turn the key on site"
            found.on = action == "switch_on"
            if found.use == "ac" and not found.on:
                house.ac_mode = "off"
            return None
        if action in ("lights_off", "power_down", "ac_off"):
            if self._place.room.inside > 0:
                return "somebody is there"
            self._lights = self._lights and action == "ac_off"
            self._resting = self._resting or action == "power_down"
            if action != "lights_off":
                house.ac_mode = "off"
            return None
        if action == "lights_on":
            self._lights = True
            return None
        if action in ("ac_cool", "ac_heat"):
            if self._cut:
                return "cut off for safety: turn the key on site"
            house.ac_mode = "cool" if action == "ac_cool" else "heat"
            house.ac_setpoint_c = float(args.get("setpoint_c", COOL_TO_C))
            return None
        return "unknown action"

    def _wants_light(self) -> bool:
        return not self._lights and self._place.room.inside > 0 and self._place.house.mains_ok

    def _serve(self) -> None:
        """The motion sensor in the room, and the hand of whoever finds it too hot or too cold."""
        house = self._place.house
        if self._wants_light():
            self._lights, self._resting, self._now_changed = True, False, True
        if self._place.room.inside > 0 and house.ac_mode == "off" and self._circuits[2].fed and not self._cut:
            if house.air_c >= TOO_HOT_C:
                house.ac_mode, house.ac_setpoint_c, self._now_changed = "cool", COOL_TO_C, True
            elif house.air_c <= TOO_COLD_C:
                house.ac_mode, house.ac_setpoint_c, self._now_changed = "heat", HEAT_TO_C, True

    def _notice_mains(self) -> None:
        mains_ok = self._place.house.mains_ok
        if mains_ok != self._seen_mains:
            self._seen_mains = mains_ok
            self._now_changed = True
            self._words.append(Say("event", {"type": "mains_back" if mains_ok else "mains_lost"}))

    def _pick(self, n: Any) -> Circuit:
        circuit = self._circuits.get(3 if n is None else int(n))
        if circuit is None:
            raise UnknownFault(f"There is no circuit {int(n)}; this switch has 1 to {len(self._circuits)}.")
        return circuit

    def _volts(self) -> float:
        return self._voltage_v if self._place.house.mains_ok else 0.0

    def _pass_time(self, now_ms: int) -> None:
        dt_ms = now_ms - self._passed_ms
        self._passed_ms = now_ms
        place = self._place
        house, people = place.house, place.room.inside
        house.pass_time(now_ms, place.world.outside_c(now_ms), people)
        self._circuits[1].load_w = LIGHTS_W if self._lights else 0.0
        ac_w = AC_W if house.ac_works else AC_BROKEN_W
        self._circuits[2].load_w = ac_w if house.ac_labours else AC_REST_W
        self._circuits[3].load_w = 5.0 if self._resting else SOCKETS_W + PERSON_W * people
        if dt_ms <= 0:
            return
        for circuit in self._circuits.values():
            circuit.pass_time(dt_ms, self._volts(), house.air_c)
        if "meter_stuck" not in self._faults:
            self._energy_kwh += self._power_w() * dt_ms / 3.6e9

    def _power_w(self) -> float:
        volts = self._volts()
        return sum(circuit.current_a(volts) * volts for circuit in self._circuits.values())

    def _values(self) -> dict[str, Value]:
        house = self._place.house
        return {
            "mains_ok": house.mains_ok,
            "voltage_v": self._volts(),
            "power_w": float(round(self._power_w())),
            "energy_kwh": round(self._energy_kwh, 2),
            "residual_ma": self._residual_ma if house.mains_ok else 0.0,
            "lights": self._lights and house.mains_ok,
            "ac_mode": house.ac_mode,
            "ac_setpoint_c": house.ac_setpoint_c,
            "cut": self._cut,
        }

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
            self._beat_ms = in_rhythm_ms(self._beat_ms, now_ms, self._beat_every_ms)
        body: dict[str, Any] = take(self._own, self._values(), now_ms)
        volts = self._volts()
        circuits: list[dict[str, Any]] = []
        for n, circuit in self._circuits.items():
            fields = take(self._parts[n], circuit.values(volts), now_ms)
            if fields:
                circuits.append({"n": n, **fields})
        if circuits:
            body["circuits"] = circuits
        if body:
            self._words.append(Say("telemetry", body))


BEHAVIOUR = PowerSwitch
