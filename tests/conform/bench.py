"""A simulated station before the kit, on hand-moved time; a mutant sits between them and spoils one thing."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import Any

from conform.check import Verdict
from conform.heard import Greeting, Heard, Will
from conform.sitter import Sitter
from conform.sitting import Sitting
from conform.stage import Cut, Tell
from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.line import LineEvents
from device_sim.station import Station
from device_sim.station_plan import StationPlan
from domain import topics
from signing.keys import SigningKey
from tests.device_sim.stand_in import HandClock, HandLine, plan

KEY = SigningKey(bytes(range(32)))
STRANGE_KEY = SigningKey(bytes(range(1, 33)))


class Mutant:
    """A station without a fault; each subclass has one."""

    box: BoxSettings | None = None

    def changes(self, station: Station, clock: HandClock) -> None:
        """Before the station is switched on."""
        self.station, self.clock = station, clock

    def greets(self, greeting: Greeting) -> Greeting:
        """The CONNECT."""
        return greeting

    def subscribes(self, topic_filter: str) -> tuple[str, int]:
        """Filter and QoS."""
        return topic_filter, 0

    def says(self, heard: Heard) -> list[Heard]:
        """What goes out in place of one publish."""
        return [heard]

    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        """What comes in, in place of what the hub said."""
        return [(topic, payload)]

    def nonce(self) -> bytes:
        """Sixteen bytes."""
        return secrets.token_bytes(16)

    def later(self) -> list[Heard]:
        """What goes out by itself; asked all the time while the line stands."""
        return []


@dataclass
class Seen:
    """How a sitting ended."""

    verdicts: list[Verdict]
    took_s: float

    def of(self, outcome: str) -> list[str]:
        """Ids of the checks with this outcome."""
        return [one.id for one in self.verdicts if one.outcome == outcome]

    def told(self, check: str) -> str:
        """The evidence of one check."""
        return next(" | ".join(one.evidence) for one in self.verdicts if one.id == check)


def examine(mutant: Mutant | None = None, *kinds: str, **more: Any) -> Seen:
    """Let the kit examine a station with these devices; `more` are arguments of the Sitter."""
    return _Bench(mutant or Mutant(), plan(*(kinds or ("occupancy_sensor",)), visits_per_day=0), more).run()


class _Bench:
    def __init__(self, mutant: Mutant, of: StationPlan, more: dict[str, Any]) -> None:
        self._mutant, self._plan = mutant, of
        self._clock = HandClock()
        self._words = itertools.count()
        fields: dict[str, Any] = {
            "key": KEY,
            "strange_key": STRANGE_KEY,
            "seconds": 800.0,
            "word": self._word,
        } | more
        self._sitting = Sitting(Sitter(adcode=of.adcode, station=of.id, **fields))
        self._shows_connections = more.get("shows_connections", True)
        boots = itertools.count()
        self._fleet = Fleet(
            [of],
            clock=self._clock,
            open_line=self._open_line,
            verify_keys={KEY.kid: KEY.verify_key},
            box=mutant.box,
            boot=lambda: f"boot{next(boots)}",
            nonce=mutant.nonce,
        )
        self._line: HandLine | None = None
        self._open_at_s = 0.0
        mutant.changes(next(iter(self._fleet.stations.values())), self._clock)

    def run(self) -> Seen:
        """To the end."""
        self._fleet.begin()
        begun_s = self._clock.monotonic_s()
        while not self._sitting.over:
            next_s = self._fleet.step()
            self._join()
            self._carry()
            due_s = self._sitting.due_s - self._clock.monotonic_s()
            self._clock.move(max(0.001, min(next_s, due_s, 0.5)))
        return Seen(self._sitting.verdicts(), self._clock.monotonic_s() - begun_s)

    def _join(self) -> None:
        line = self._line
        if line is None or line.up or not line.wanted or self._clock.monotonic_s() < self._open_at_s:
            return
        topic, payload = line.events.will(line.conn + 1)
        greeting = self._mutant.greets(Greeting(clean=True, will=Will(topic, payload, 1, retained=False)))
        now_s = self._clock.monotonic_s()
        if self._shows_connections:
            self._sitting.opened(greeting, now_s)
            down = topics.down_filter(self._plan.adcode, self._plan.id)
            self._sitting.subscribed(*self._mutant.subscribes(down))
        line.join()
        self._fleet.step()

    def _carry(self) -> None:
        line = self._line
        assert line is not None
        for _ in range(1_000):
            now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
            under_way, line.under_way = line.under_way, []
            said = self._mutant.later() if line.up else []
            for conn, topic, payload, counted in under_way:
                said += self._mutant.says(Heard(topic, payload, 1, retained=False))
                if counted:
                    line.events.confirmed(conn)
            for heard in said:
                self._sitting.heard_word(heard, now_ms, now_s)
            actions = self._sitting.tick(now_ms, now_s)
            for action in actions:
                if isinstance(action, Tell) and line.up:
                    for topic, payload in self._mutant.hears(action.topic, action.payload):
                        line.events.down(topic, payload)
                elif isinstance(action, Cut):
                    line.cut()
                    self._sitting.closed(now_s)
                    self._open_at_s = now_s + action.shut_s
            self._fleet.step()
            if not actions and not line.under_way:
                return
        raise AssertionError("they never stop talking")

    def _open_line(self, _plan: StationPlan, events: LineEvents) -> HandLine:
        self._line = HandLine(events)
        return self._line

    def _word(self) -> str:
        return f"word{next(self._words):04d}"
