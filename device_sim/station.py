"""One simulated station: devices, the edge box that speaks for them, and the line to the broker."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import random
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace

from device_sim.device import Device, Spoken
from device_sim.edge_box import BoxSettings, EdgeBox
from device_sim.fault_kind import FaultKind, UnknownFault, check_arguments
from device_sim.faults import DEVICE_FAULTS, STATION_FAULTS
from device_sim.line import Line
from device_sim.mischief import Mischief
from device_sim.pace import OWN_PACE, Pace
from device_sim.room import Place, Room, open_span
from device_sim.station_plan import StationPlan
from device_sim.world import World
from domain import topics
from domain.errors import BadMessage
from domain.ids import edge_box
from signing.config import open_config
from signing.keys import VerifyKey

logger = logging.getLogger(__name__)

VERSIONS = {"edge": "1.0"}
REPORT_AFTER_RETURN_MS = 60_000
"""Thousands return together: each lets its next report be the full one, by then at the latest."""
Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StationParts:
    """What stations share. `boot` must give a new random word each time, whatever the seed."""

    world: World
    verify_keys: Mapping[bytes, VerifyKey]
    boot: Callable[[], str]
    nonce: Callable[[], bytes]
    seed: int = 1
    box: BoxSettings = field(default_factory=BoxSettings)
    pace: Pace = OWN_PACE


class Station:
    """Used by one thread at a time. `due_s` is when `tick` is needed next, in monotonic seconds."""

    def __init__(self, plan: StationPlan, parts: StationParts) -> None:
        self.plan = plan
        self.line: Line | None = None
        self.due_s = math.inf
        self.faults: dict[tuple[str, str], dict[str, float | None]] = {}
        self._parts = parts
        self._speaker = edge_box(plan.id)
        self.box = self._new_box()
        self._dark = False
        self.devices = {
            f"{device.kind}/{device.n}": Device(
                plan.device_id(device), device, parts.verify_keys, parts.nonce
            )
            for device in plan.devices
        }
        self._by_topic = {topics.command(plan.adcode, device.id): device for device in self.devices.values()}
        self._ack_topic = topics.ack(plan.adcode, self._speaker)
        self._config_topic = f"{self._ack_topic.removesuffix('ack')}config"
        self._config_version = 0
        self._mischief = Mischief(self._rng("mischief"))
        self._clock_shift_ms: int | None = 0
        self._later: list[tuple[float, int, Callable[[int, float], None]]] = []
        self._order = itertools.count()
        self._zero_ms = 0
        self._acts_s = math.inf
        """When one of the devices acts next by itself."""
        self._introduced: str | None = None
        """The boot that has reported everything on a connection."""

    @property
    def vanished(self) -> int:
        """Publishes that vanished because of a fault."""
        return self._mischief.lost

    def begin(self, now_ms: int, monotonic_s: float) -> None:
        """Switch everything on; the line is started by whoever owns it."""
        self._zero_ms = now_ms - int(monotonic_s * 1000)
        plan = self.plan
        room = Room(
            self._rng("room"),
            self._parts.world,
            plan.visits_per_day,
            open_span(plan.hours),
            plan.capacity or 8,
        )
        if plan.night_hours:
            room.span = open_span("24/7")
        room.begin(now_ms)
        place = Place(self._parts.world, room, plan.swaps_per_day)
        for name, device in self.devices.items():
            device.begin(self._rng(name), now_ms, place, self._parts.pace)
        self.tick(now_ms, monotonic_s)

    def tick(self, now_ms: int, monotonic_s: float) -> None:
        """Let devices act, and send what there is to send."""
        while self._later and self._later[0][0] <= monotonic_s:
            heapq.heappop(self._later)[2](now_ms, monotonic_s)
        if self._dark:
            self._acts_s = math.inf
        else:
            self._act_all(self._steady_ms(monotonic_s), now_ms)
        self._send(now_ms, monotonic_s)
        self._plan()

    def _act_all(self, steady_ms: int, now_ms: int) -> None:
        devices = self.devices.values()
        next_ms = steady_ms
        for _ in range(8):  # one device's doing may concern another
            nexts_ms = [device.behaviour.next_ms() for device in devices]
            next_ms = min(nexts_ms)
            if next_ms > steady_ms:
                break
            for device, due_ms in zip(devices, nexts_ms, strict=True):
                if due_ms <= steady_ms:
                    self._say(device, device.tick(steady_ms), now_ms)
        self._acts_s = (next_ms - self._zero_ms) / 1000 + 0.0005

    def _plan(self) -> None:
        self.due_s = min(
            self._acts_s,
            self.box.due_s(),
            self._mischief.next_s(),
            self._later[0][0] if self._later else math.inf,
        )

    def ready(self, conn: int, now_ms: int, monotonic_s: float) -> None:
        """The line stands: say so, send what is held, and report everything, soon."""
        box, by_ms = self.box, self._steady_ms(monotonic_s)
        box.is_connected(conn, monotonic_s)
        if self._introduced == box.boot:
            by_ms += REPORT_AFTER_RETURN_MS
        self._introduced = box.boot
        for device in self.devices.values():
            device.behaviour.report_all(by_ms)
        self.tick(now_ms, monotonic_s)

    def report(self, kinds: Container[str], now_ms: int, monotonic_s: float) -> None:
        """Have devices of these kinds say everything now."""
        for device in self.devices.values():
            if device.id.kind in kinds:
                device.behaviour.report_all(self._steady_ms(monotonic_s))
        self.tick(now_ms, monotonic_s)

    def show(self, kinds: Container[str], now_ms: int, monotonic_s: float) -> None:
        """Have devices of these kinds do what is due, and say that they are there.

        Not for what is broken: that may be silent.
        """
        for device in self.devices.values():
            if device.id.kind in kinds and not self._dark:
                spoken = device.tick(self._steady_ms(monotonic_s))
                self._say(device, spoken or device.sign_of_life(), now_ms)
        self.tick(now_ms, monotonic_s)

    def set_back(self, now_ms: int, monotonic_s: float) -> None:
        """Somebody is on site: everything that the hub cut, shut or released works as usual again."""
        for device in self.devices.values():
            device.behaviour.set_back(self._steady_ms(monotonic_s))
        self.tick(now_ms, monotonic_s)

    def lost(self, conn: int) -> None:
        """The line is gone."""
        self.box.is_lost(conn)
        self._mischief.forget()

    def confirmed(self, conn: int, now_ms: int, monotonic_s: float) -> None:
        """The broker has one more message."""
        self.box.confirmed(conn)
        self._send(now_ms, monotonic_s)
        self._plan()

    def heard(self, topic: str, payload: bytes, now_ms: int, monotonic_s: float) -> None:
        """The hub says something; what cannot be understood is ignored."""
        device = self._by_topic.get(topic)
        try:
            if device is not None:
                self._say(device, device.hear(payload, self._steady_ms(monotonic_s), monotonic_s), now_ms)
            elif topic == self._ack_topic:
                # There is one for nearly every message, and no device has to do with it.
                self.box.heard_ack(payload, monotonic_s)
                self._send(now_ms, monotonic_s)
                self._plan()
                return
            elif topic == self._config_topic:
                self._take_config(payload, monotonic_s)
        except BadMessage as error:
            logger.warning(
                "Station %s ignores a message: %s", self.plan.id, error,
                extra={"action": "sim_ignored", "station": self.plan.id},
            )  # fmt: skip
        self.tick(now_ms, monotonic_s)

    def inject(
        self, device: str | None, fault: str, args: Arguments, now_ms: int, monotonic_s: float
    ) -> dict[str, float | None]:
        """Break something; returns the arguments that were used. UnknownFault lists what there is."""
        kind = self._fault_kind(device, fault)
        checked = check_arguments(fault, kind, args)
        steady_ms = self._steady_ms(monotonic_s)
        if device is None:
            self._break_station(fault, checked, monotonic_s)
        elif fault in DEVICE_FAULTS:
            until_s = monotonic_s + float(checked["seconds"] or 0)
            self.devices[device].freeze(until_s, bool(checked["late"]))
        else:
            self.devices[device].behaviour.fault(steady_ms, fault, checked)
        self.faults[device or "", fault] = checked
        lasts_s = checked.get("for_s") or (checked.get("seconds") if kind.once else None)
        if lasts_s is not None:
            self._heal_at(monotonic_s + lasts_s, device, fault, checked)
        self._act(device, now_ms, monotonic_s)
        return checked

    def heal(self, device: str | None, fault: str, now_ms: int, monotonic_s: float) -> bool:
        """Repair; False when this fault was not there. UnknownFault lists what there is."""
        self._fault_kind(device, fault)
        if self.faults.pop((device or "", fault), None) is None:
            return False
        if device is None:
            self._mend_station(fault)
        elif fault in DEVICE_FAULTS:
            for payload in self.devices[device].thaw():
                self.heard(
                    topics.command(self.plan.adcode, self.devices[device].id), payload, now_ms, monotonic_s
                )
        else:
            self.devices[device].behaviour.heal(self._steady_ms(monotonic_s), fault)
        self._act(device, now_ms, monotonic_s)
        return True

    def known_faults(self, device: str | None) -> dict[str, FaultKind]:
        """Faults of a device, with None those of the station; UnknownFault for a device not here."""
        if device is None:
            return dict(STATION_FAULTS)
        if device not in self.devices:
            there = ", ".join(self.devices) or "none"
            raise UnknownFault(f"Station {self.plan.id} has no device {device!r}; its devices are: {there}.")
        return {**self.devices[device].behaviour.FAULTS, **DEVICE_FAULTS}

    def _fault_kind(self, device: str | None, fault: str) -> FaultKind:
        known = self.known_faults(device)
        where = device or f"the station {self.plan.id}"
        if fault not in known:
            raise UnknownFault(f"There is no fault {fault!r} of {where}; there are: {', '.join(known)}.")
        return known[fault]

    def _break_station(self, fault: str, args: Mapping[str, float | None], monotonic_s: float) -> None:
        number = {name: value or 0.0 for name, value in args.items()}
        # `duplicates` takes no argument, so that something has to say that it begins.
        if self._mischief.set(fault, number or {"on": 1.0}):
            return
        if fault in ("dead_link", "no_power"):
            self._dark = self._dark or fault == "no_power"
            if self.line is not None:
                self.line.stop(abruptly=True)
        elif fault == "clock_off":
            self._clock_shift_ms = int(number["minutes"] * 60_000)
        elif fault == "no_clock":
            self._clock_shift_ms = None
        elif fault == "slow_buffer":
            self.box.use(replace(self.box.settings, sends_per_s=number["per_s"]))
        elif fault == "overflow":
            self.box.use(replace(self.box.settings, capacity=int(number["capacity"])))

    def _mend_station(self, fault: str) -> None:
        usual = self._parts.box
        if self._mischief.set(fault, {}):
            return
        if fault in ("dead_link", "no_power"):
            if fault == "no_power":
                self.box, self._dark = self._new_box(), False
            if self.line is not None:
                self.line.start(0.0)
        elif fault in ("clock_off", "no_clock"):
            self._clock_shift_ms = 0
        elif fault == "slow_buffer":
            self.box.use(replace(self.box.settings, sends_per_s=usual.sends_per_s))
        elif fault == "overflow":
            self.box.use(replace(self.box.settings, capacity=usual.capacity))

    def _act(self, device: str | None, now_ms: int, monotonic_s: float) -> None:
        if device is not None:
            one = self.devices[device]
            self._say(one, one.tick(self._steady_ms(monotonic_s)), now_ms)
        self.tick(now_ms, monotonic_s)

    def _say(self, device: Device, spoken: list[Spoken], now_ms: int) -> None:
        shift_ms = self._clock_shift_ms
        ts_ms = None if shift_ms is None else now_ms + shift_ms
        for one in spoken:
            self.box.say(
                device.id, one.leaf, one.body, ts_ms, safety=one.safety, garbled=self._mischief.garbled()
            )

    def _send(self, now_ms: int, monotonic_s: float) -> None:
        line, box = self.line, self.box
        if line is None or min(box.due_s(), self._mischief.next_s()) > monotonic_s:
            return
        shift_ms = self._clock_shift_ms
        sendings = box.take(monotonic_s, None if shift_ms is None else now_ms + shift_ms)
        passed, vanished = self._mischief.pass_on(sendings, monotonic_s)
        for _ in range(vanished):
            box.confirmed(box.conn)
        for sending, counted in passed:
            if not line.publish(box.conn, sending.topic, sending.payload, counted=counted) and counted:
                box.confirmed(box.conn)

    def _take_config(self, payload: bytes, monotonic_s: float) -> None:
        config = open_config(payload, self._parts.verify_keys, str(self._speaker), self._config_version)
        self._config_version = config.version
        self.box.link.versions["config"] = str(config.version)
        self.box.link.news(monotonic_s)

    def _new_box(self) -> EdgeBox:
        parts = self._parts
        return EdgeBox(self.plan.adcode, self.plan.id, parts.boot(), parts.box, VERSIONS)

    def _heal_at(self, at_s: float, device: str | None, fault: str, injected: object) -> None:
        def work(now_ms: int, monotonic_s: float) -> None:
            # The same fault may have been injected again since, with a time of its own.
            if self.faults.get((device or "", fault)) is injected:
                self.heal(device, fault, now_ms, monotonic_s)

        heapq.heappush(self._later, (at_s, next(self._order), work))

    def _steady_ms(self, monotonic_s: float) -> int:
        return self._zero_ms + int(monotonic_s * 1000)

    def _rng(self, what: str) -> random.Random:
        return random.Random(f"{self._parts.seed}/{self.plan.id}/{what}")
