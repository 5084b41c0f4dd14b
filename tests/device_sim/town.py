"""A fleet on hand-moved time: the test is the broker, the stand-in is the hub."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.line import LineEvents
from device_sim.station import Station
from device_sim.station_plan import StationPlan
from domain import topics
from domain.envelope import FIELDS
from domain.ids import DeviceId, edge_box
from signing.keys import SigningKey
from tests.device_sim.stand_in import HandClock, HandLine, HubStandIn

KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(range(1, 33)))


class Town:
    """Everything that a simulated station needs, stepped by hand in tenths of a second."""

    def __init__(self, *plans: StationPlan, seed: int = 1, box: BoxSettings | None = None) -> None:
        self.clock = HandClock()
        self.hub = HubStandIn()
        self.hub_answers = True
        self.lines: dict[str, HandLine] = {}
        self.sent: list[tuple[str, bytes]] = []
        self.said: Callable[[str, bytes], None] | None = None
        boots, nonces = itertools.count(), itertools.count()
        self.fleet = Fleet(
            plans,
            clock=self.clock,
            open_line=self._open_line,
            verify_keys={KEY.kid: KEY.verify_key},
            seed=seed,
            box=box,
            boot=lambda: f"boot{next(boots)}",
            nonce=lambda: next(nonces).to_bytes(16, "big"),
        )
        self.fleet.begin()

    @property
    def station(self) -> Station:
        """The only one, or the first."""
        return next(iter(self.fleet.stations.values()))

    @property
    def line(self) -> HandLine:
        """That of the first station."""
        return self.lines[self.station.plan.id]

    def join(self) -> None:
        """Connect whoever wants to be connected."""
        for line in self.lines.values():
            if line.wanted and not line.up:
                line.join()

    def tell(self, device: DeviceId, payload: bytes) -> None:
        """Send a command to a device."""
        self.lines[device.station].events.down(topics.command("331002", device), payload)
        self.carry()

    def telemetry_since(self, before: int) -> dict[str, dict[str, Any]]:
        """What each kind has reported since so many messages, field by field."""
        self.carry()
        told: dict[str, dict[str, Any]] = {}
        for one in self.hub.kept[before:]:
            if one.topic.leaf == "telemetry":
                fields = {name: value for name, value in one.body.items() if name not in FIELDS}
                told.setdefault(one.topic.device.kind, {}).update(fields)
        return told

    def carry(self) -> float:
        """Move messages until nothing is under way; returns for how many seconds nothing more will be due."""
        for _ in range(1_000):
            quiet_s = self.fleet.step()
            moved = False
            for name, line in self.lines.items():
                under_way, line.under_way = line.under_way, []
                for conn, topic, payload, counted in under_way:
                    moved = True
                    self.sent.append((topic, payload))
                    if self.hub_answers:
                        self.hub.take(topic, payload)
                    if counted:
                        line.events.confirmed(conn)
                if under_way and self.hub_answers and line.up:
                    station = self.fleet.stations[name]
                    ack = topics.ack(station.plan.adcode, edge_box(name))
                    line.events.down(ack, self.hub.ack(station.box.boot))
            if not moved:
                return quiet_s
        raise AssertionError("the stations never stop talking")

    def run(self, seconds: float, step_s: float = 0.1) -> None:
        """Let time pass."""
        due_s = 0.0
        for _ in range(round(seconds / step_s)):
            self.clock.move(step_s)
            if self.clock.monotonic >= due_s:
                due_s = self.clock.monotonic + self.carry() - 1e-6

    def _open_line(self, plan: StationPlan, events: LineEvents) -> HandLine:
        self.lines[plan.id] = line = HandLine(events)
        return line
