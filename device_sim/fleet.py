"""All simulated stations of one process: one MQTT loop, in whose thread they act, and a heap of due times."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import secrets
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from device_sim.behaviour import Arguments
from device_sim.edge_box import BoxSettings
from device_sim.fault_kind import UnknownFault
from device_sim.faults import DEVICE_FAULTS, STATION_FAULTS
from device_sim.line import Line, LineEvents
from device_sim.pace import OWN_PACE, Pace
from device_sim.station import Station, StationParts
from device_sim.station_plan import StationPlan
from device_sim.weather import USUAL, Weather
from device_sim.world import World
from domain.clock import Clock
from signing.keys import VerifyKey
from transport.loop import MqttLoop

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 0.5
AFTER_ERROR_S = 5.0
CONNECTS_PER_S = 200
"""How fast a fleet connects at its start, unless told otherwise."""

OpenLine = Callable[[StationPlan, LineEvents], Line]
Work = Callable[[int, float], None]


def new_boot() -> str:
    """A word that no earlier start has had; a seeded one would make the hub take new messages for old."""
    return secrets.token_hex(6)


def new_nonce() -> bytes:
    """Sixteen bytes that nobody can foretell."""
    return secrets.token_bytes(16)


class Fleet:
    """Stations that have devices, by id. Public methods may be called from any thread."""

    def __init__(
        self,
        plans: Iterable[StationPlan],
        *,
        clock: Clock,
        open_line: OpenLine,
        verify_keys: Mapping[bytes, VerifyKey],
        seed: int = 1,
        hour_shift: int = 0,
        box: BoxSettings | None = None,
        pace: Pace = OWN_PACE,
        weather: Weather = USUAL,
        connects_per_s: float = CONNECTS_PER_S,
        boot: Callable[[], str] = new_boot,
        nonce: Callable[[], bytes] = new_nonce,
    ) -> None:
        parts = StationParts(
            world=World(hour_shift, weather=weather),
            verify_keys=verify_keys,
            boot=boot,
            nonce=nonce,
            seed=seed,
            box=box or BoxSettings(),
            pace=pace,
        )
        self.stations = {plan.id: Station(plan, parts) for plan in plans if plan.devices}
        self._clock = clock
        self._seed = seed
        self._connects_per_s = connects_per_s
        self._open_line = open_line
        self._lock = threading.RLock()
        self._inbox: deque[tuple[Station, Work]] = deque()
        self._due: list[tuple[float, int, Station]] = []
        self._scheduled: dict[str, float] = {}
        self._order = itertools.count()
        self._loop: MqttLoop | None = None

    def start(self, loop: MqttLoop) -> None:
        """Switch all stations on, connect them spread over a while, and act in the loop's thread."""
        self.begin()
        self._loop = loop
        loop.carry(self.step)

    def begin(self) -> None:
        """Switch on and connect: who calls this calls `step` too."""
        now_ms, monotonic_s = self._clock.now_ms(), self._clock.monotonic_s()
        spread = random.Random(self._seed)
        with self._lock:
            for station in self.stations.values():
                station.line = self._open_line(station.plan, _Ear(self, station))
                station.begin(now_ms, monotonic_s)
                self._schedule(station)
                station.line.start(spread.uniform(0, len(self.stations) / self._connects_per_s))
        logger.info("The simulator plays %d stations.", len(self.stations), extra={"action": "sim_started"})

    def stop(self) -> None:
        """Act no more, and say goodbye to the broker."""
        if self._loop is not None:
            self._loop.carry(None)
        for station in self.stations.values():
            if station.line is not None:
                station.line.stop()

    def step(self) -> float:
        """Do what is due now; returns for how many seconds nothing more will be."""
        with self._lock:
            while self._inbox:
                station, work = self._inbox.popleft()
                self._guard(station, work)
            now_s = self._clock.monotonic_s()
            while self._due and self._due[0][0] <= now_s:
                due_s, _, station = heapq.heappop(self._due)
                if self._scheduled.get(station.plan.id) == due_s:
                    del self._scheduled[station.plan.id]
                    self._guard(station, station.tick)
            if self._inbox:
                return 0.0
            return max(0.0, self._due[0][0] - now_s) if self._due else LONGEST_WAIT_S

    def inject(
        self, station: str, device: str | None, fault: str, args: Arguments | None = None
    ) -> dict[str, float | None]:
        """Break a station (`device` None) or one of its devices; returns the arguments that were used.

        UnknownFault says what there is instead.
        """
        with self._lock:
            one = self._station(station)
            used = one.inject(device, fault, args or {}, self._clock.now_ms(), self._clock.monotonic_s())
            self._schedule(one)
        self._wake()
        return used

    def heal(self, station: str, device: str | None = None, fault: str | None = None) -> list[str]:
        """Repair one fault, or all of a device, or all of a station; returns what was repaired."""
        with self._lock:
            one = self._station(station)
            known = one.known_faults(device)
            if device is None:
                for name in one.devices:
                    known |= one.known_faults(name)
            if fault is not None and fault not in known:
                raise UnknownFault(f"There is no fault {fault!r} of {device or station}: {', '.join(known)}.")
            there_now = [
                (of, name)
                for of, name in one.faults
                if (device is None or of == device) and (fault is None or name == fault)
            ]
            for of, name in there_now:
                one.heal(of or None, name, self._clock.now_ms(), self._clock.monotonic_s())
            self._schedule(one)
        self._wake()
        return [f"{of} {name}".strip() for of, name in there_now]

    def report(self, station: str, kinds: Container[str]) -> None:
        """Have devices of these kinds say everything now, as they do every ten minutes by themselves."""
        with self._lock:
            one = self._station(station)
            one.report(kinds, self._clock.now_ms(), self._clock.monotonic_s())
            self._schedule(one)

    def show(self, station: str, kinds: Container[str]) -> None:
        """Have devices of these kinds, none of them broken, say that they are there."""
        with self._lock:
            one = self._station(station)
            one.show(kinds, self._clock.now_ms(), self._clock.monotonic_s())
            self._schedule(one)

    def set_back(self, station: str) -> None:
        """Somebody is on site: what the hub cut, shut, locked down or released works as usual again."""
        with self._lock:
            one = self._station(station)
            one.set_back(self._clock.now_ms(), self._clock.monotonic_s())
            self._schedule(one)

    def status(self) -> list[dict[str, Any]]:
        """What each station is doing, JSON-able."""
        with self._lock:
            return [
                {
                    "station": name,
                    "name": one.plan.name,
                    "connected": one.box.connected,
                    "held": one.box.held,
                    "dropped": one.box.dropped,
                    "devices": list(one.devices),
                    "faults": [f"{of} {fault}".strip() for of, fault in one.faults],
                }
                for name, one in self.stations.items()
            ]

    def totals(self) -> dict[str, int]:
        """How many stations there are and are connected; messages that they said, hold and dropped."""
        with self._lock:
            boxes = [one.box for one in self.stations.values()]
        return {
            "stations": len(boxes),
            "connected": sum(box.connected for box in boxes),
            "said": sum(box.said for box in boxes),
            "held": sum(box.held for box in boxes),
            "dropped": sum(box.dropped for box in boxes),
        }

    def numbers(self) -> dict[str, dict[str, Any]]:
        """By station: its boot, how many messages it numbered, which still wait, how many it gave up."""
        with self._lock:
            return {
                name: {
                    "boot": one.box.boot,
                    "said": one.box.said,
                    "waiting": one.box.waiting,
                    "dropped": one.box.dropped,
                }
                for name, one in self.stations.items()
            }

    def known_faults(self) -> dict[str, dict[str, Any]]:
        """Every fault by where it can happen (`station`, a kind, or `any device`), with its arguments."""
        kinds = {
            device.id.kind: device.behaviour.FAULTS
            for one in self.stations.values()
            for device in one.devices.values()
        }
        places = {"station": STATION_FAULTS, **kinds, "any device": DEVICE_FAULTS}
        return {
            place: {
                name: {"text": kind.text, "args": {key: arg.text for key, arg in kind.args.items()}}
                for name, kind in faults.items()
            }
            for place, faults in places.items()
        }

    def post(self, station: Station, work: Work) -> None:
        """Have something done to a station at the next step; a line says so in the loop's thread."""
        self._inbox.append((station, work))

    def _station(self, name: str) -> Station:
        found = self.stations.get(name)
        if found is None:
            some = ", ".join(list(self.stations)[:5])
            raise UnknownFault(
                f"No station {name!r} is simulated; there are {len(self.stations)}, such as {some}."
            )
        return found

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.wake()

    def _guard(self, station: Station, work: Work) -> None:
        """One station's error must not stop the others."""
        monotonic_s = self._clock.monotonic_s()
        try:
            work(self._clock.now_ms(), monotonic_s)
        except Exception:
            logger.exception(
                "Station %s stumbled; it goes on.", station.plan.id,
                extra={"action": "sim_station_failed", "station": station.plan.id},
            )  # fmt: skip
            station.due_s = monotonic_s + AFTER_ERROR_S
        self._schedule(station)

    def _schedule(self, station: Station) -> None:
        due_s = station.due_s
        if self._scheduled.get(station.plan.id) != due_s:
            self._scheduled[station.plan.id] = due_s
            heapq.heappush(self._due, (due_s, next(self._order), station))


class _Ear:
    """Keeps what a line says for the next step."""

    def __init__(self, fleet: Fleet, station: Station) -> None:
        self._fleet = fleet
        self._station = station

    def ready(self, conn: int) -> None:
        station = self._station
        self._fleet.post(station, lambda now_ms, mono_s: station.ready(conn, now_ms, mono_s))

    def lost(self, conn: int) -> None:
        station = self._station
        self._fleet.post(station, lambda now_ms, mono_s: station.lost(conn))

    def down(self, topic: str, payload: bytes) -> None:
        station = self._station
        self._fleet.post(station, lambda now_ms, mono_s: station.heard(topic, payload, now_ms, mono_s))

    def confirmed(self, conn: int) -> None:
        station = self._station
        self._fleet.post(station, lambda now_ms, mono_s: station.confirmed(conn, now_ms, mono_s))

    def will(self, conn: int) -> tuple[str, bytes]:
        return self._station.box.will(conn)
