"""Days of simulated stations before a whole gateway, in one process, on a clock that is moved."""

from __future__ import annotations

import heapq
import itertools
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.injections import Injection, begin_ms
from device_sim.line import LineEvents
from device_sim.pace import Pace
from device_sim.scenario import Scenario
from device_sim.score import Raised
from device_sim.station_plan import StationPlan
from device_sim.weather import Weather
from devices.registry import kinds
from domain import topics
from domain.errors import WaystationError
from domain.ids import SPEAKER_KIND
from gateway.options import GatewayOptions
from gateway.service import Gateway
from rules.rulebook import load_rulebook
from runtime.first_stations import write_down
from runtime.moved_clock import MovedClock
from runtime.near_hub import NearHub, NearLine
from signing.keys import SigningKey
from storage import alerts, rulebooks
from storage.database import Database, open_database
from storage.migrate import upgrade
from storage.retention import Keep, prune
from storage.series import SeriesRow, SqlSeries
from storage.tables import alert

STEP_S = 10.0
"""How long stations go on by themselves before the gateway looks; it looks at once where something has just
broken. A marker is up to 5 s old when it looks, and above 15 s it would take itself for one that has not
caught up.
"""
QUIET = Pace(86_400_000, 86_400_000)
"""Devices say what changes; what they say again and again is asked for here, a station at a time."""
QUIET_S = 600.0
WHOLE_S = 1_800.0
"""How often a station says everything while nothing is under way there; in between devices show that they
are there, as often as silence allows.
"""
KEEN_S = 291.0
"""How often where a rule waits: before what most devices say is too old to count."""
CLOSE_S = 60.0
"""How often a station says everything while, or soon before and after, something is broken there."""
CLOSE_BEFORE_S = 900.0
WATCHED_S = 180.0
"""So long after something broke the gateway looks at whatever that station says at once."""
SHARE_OF_SILENCE = 0.97
"""A station speaks to the millisecond; that is soon enough."""
CREW_AFTER_S = 600.0
CREW = "simulated crew"
DAY_S = 86_400.0
BATCH = 400
MEMORY = Path("/dev/shm")  # noqa: S108  a database that nobody keeps needs no disk
IN_FLIGHT = 1_000_000

Progress = Callable[[float], None]


class NoSeries(SqlSeries):
    """Readings are judged and not kept: nobody will look at a week that never was."""

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of it."""

    raised: list[Raised]
    messages: int
    opened: int
    quarantined: int


class SimulatedWeek:
    """A gateway with its own database and stations around it. Use it in a `with`."""

    def __init__(
        self,
        scenario: Scenario,
        plans: Sequence[StationPlan],
        injections: Iterable[Injection],
        rulebook: str,
        *,
        seed: int = 1,
        step_s: float = STEP_S,
    ) -> None:
        self._closing = ExitStack()
        self._plans = list(plans)
        self._step_s = step_s
        self._clock = MovedClock(begin_ms(scenario))
        self._hub = NearHub(self._clock)
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._next_sweep_s = DAY_S
        mine = {plan.id for plan in self._plans}
        self._close: dict[str, int] = dict.fromkeys(mine, 0)
        self._closely: set[str] = set()
        for one in injections:
            if one.station in mine:
                self._at(max(0.0, one.at_s - CLOSE_BEFORE_S), partial(self._look_closely, one.station))
                self._at(one.at_s, partial(self._break, one))
        self._periods, self._station_s = _periods(rulebook)
        self._begin_reports(random.Random(seed))
        self._database = self._furnish(rulebook)
        key = SigningKey(bytes(range(32)))
        options = GatewayOptions(
            channels=(), holder="simulated week", keeps=False, look_around_s=DAY_S
        )
        self._gateway = Gateway(self._database, NoSeries(), self._hub, key, self._clock, options)
        weather = scenario.weather
        self._fleet = Fleet(
            self._plans,
            clock=self._clock,
            open_line=self._open_line,
            verify_keys={key.kid: key.verify_key},
            seed=seed,
            box=BoxSettings(in_flight=IN_FLIGHT, timeout_s=600.0),
            pace=QUIET,
            weather=Weather(weather.hottest_c, weather.rain, weather.typhoon),
        )
        self._hub.stations = self._fleet.stations

    def __enter__(self) -> SimulatedWeek:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def live(self, days: float, progress: Progress = lambda _: None) -> Lived:
        """Let so many days pass; `progress` hears of each simulated hour."""
        self._gateway.begin()
        self._turn()
        self._fleet.begin()
        ends_s, told_s = days * DAY_S, 3_600.0
        while self._clock.elapsed_s < ends_s:
            until_s = min(self._clock.elapsed_s + self._step_s, ends_s)
            while self._agenda and self._agenda[0][0] <= until_s:
                at_s, _, work = heapq.heappop(self._agenda)
                self._pass_until(at_s)
                work()
            self._pass_until(until_s)
            self._turn()
            if self._clock.elapsed_s >= told_s:
                progress(self._clock.elapsed_s / DAY_S)
                told_s += 3_600.0
            if self._clock.elapsed_s >= self._next_sweep_s:
                self._sweep()
        self._gateway.end()
        return self.lived()

    def _pass_until(self, until_s: float) -> None:
        """Let stations act, each at its own moment."""
        clock, fleet, hub = self._clock, self._fleet, self._hub
        while True:
            wait_s = fleet.step()
            if hub.urgent or len(hub) >= BATCH:
                self._turn()
            left_s = until_s - clock.elapsed_s
            if left_s <= 0:
                return
            clock.move(min(wait_s, left_s) if wait_s > 0 else 0.0005)

    def _turn(self) -> None:
        """Let the gateway decide, and stations answer, until nobody has anything to say."""
        self._hub.urgent = False
        for _ in range(100):
            self._gateway.turn()
            self._fleet.step()
            if not len(self._hub):
                return
        raise WaystationError("Stations and gateway do not stop talking to each other.")

    def _at(self, at_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._order), work))

    def _begin_reports(self, rng: random.Random) -> None:
        """Each station in its own rhythm: kinds that may not be silent for long more often than others."""
        for plan in self._plans:
            here = {device.kind: self._periods[device.kind] for device in plan.devices}
            if here and min(here.values()) > self._station_s:
                # One device of a station is enough to show that the station is there.
                here[next(iter(here))] = self._station_s
            first_s = rng.random() * WHOLE_S
            for period_s in sorted(set(here.values())):
                group = frozenset(kind for kind, every_s in here.items() if every_s == period_s)
                # Those that report more often do so together with the others, too.
                shows, at_s = divmod(first_s, period_s)
                self._at(at_s, partial(self._report, plan.id, group, period_s, shows))

    def _report(self, station: str, group: frozenset[str], period_s: float, shows: float) -> None:
        """Everything after so many shows; at once if a rule waits for it. Not beside the closer rhythm."""
        whole, every_s = group, period_s
        if station in self._closely:
            again = partial(self._report, station, group, period_s, shows)
            self._at(self._clock.elapsed_s + every_s, again)
            return
        if shows > 0:
            waiting = self._gateway.waiting_at(station)
            whole = group if SPEAKER_KIND in waiting else group & waiting
            if whole:
                every_s = min(period_s, KEEN_S)
        if whole:
            self._fleet.report(station, whole)
        if group - whole:
            self._fleet.show(station, group - whole)
        left = shows - 1 if group - whole else WHOLE_S // period_s - 1
        again = partial(self._report, station, group, period_s, left)
        self._at(self._clock.elapsed_s + every_s, again)

    def _look_closely(self, station: str) -> None:
        self._close[station] += 1
        if station not in self._closely:
            self._closely.add(station)
            self._report_closely(station)

    def _report_closely(self, station: str) -> None:
        # Also when it is over: the usual rhythm may be minutes away.
        self._fleet.report(station, frozenset(self._periods))
        if self._close[station]:
            self._at(self._clock.elapsed_s + CLOSE_S, partial(self._report_closely, station))
        else:
            self._closely.discard(station)

    def _break(self, one: Injection) -> None:
        self._hub.watched.add(one.station)
        self._fleet.inject(one.station, one.device, one.fault, dict(one.args))
        self._at(one.at_s + WATCHED_S, partial(self._hub.watched.discard, one.station))
        self._at(one.until_s, partial(self._heal, one))

    def _heal(self, one: Injection) -> None:
        self._fleet.heal(one.station, one.device, one.fault)
        self._at(self._clock.elapsed_s + CREW_AFTER_S, partial(self._crew, one.station))

    def _crew(self, station: str) -> None:
        """Somebody is on site: latched alerts are ended by hand, and the door works as usual again."""
        now_ms = self._clock.now_ms()
        with self._database.read() as connection:
            latched = [row for row in alerts.all_open(connection) if row.device.station == station]
        with self._database.write() as connection:
            for row in latched:
                if row.latched:
                    alerts.reset(connection, row.id, CREW, "现场已处理", now_ms)
        self._hub.carry(topics.command_hint(self._fleet.stations[station].plan.adcode), b"{}")
        self._fleet.set_back(station)
        self._close[station] -= 1

    def _sweep(self) -> None:
        """Forget what is older than a day and over, as the courier does later."""
        self._next_sweep_s += DAY_S
        for _ in prune(self._database, SqlSeries(), Keep(raw_days=1), self._clock.now_ms()):
            pass

    def _open_line(self, plan: StationPlan, events: LineEvents) -> NearLine:
        return NearLine(self._hub, plan, events)

    def _furnish(self, rulebook: str) -> Database:
        where = MEMORY if MEMORY.is_dir() else None
        made = tempfile.TemporaryDirectory(prefix="waystation-week-", dir=where)
        folder = self._closing.enter_context(made)
        url = f"sqlite:///{folder}/week.sqlite3"
        upgrade(url)
        database = open_database(url)
        self._closing.callback(database.close)
        with database.write() as connection:
            write_down(connection, self._plans, self._clock.now_ms())
            rulebooks.seed(connection, rulebook, self._clock.now_ms())
        return database

    def lived(self) -> Lived:
        """What has come of it so far."""
        began_ms = self._clock.now_ms() - round(self._clock.elapsed_s * 1000)
        with self._database.read() as connection:
            found = connection.execute(
                sa.select(
                    alert.c.station, alert.c.kind, alert.c.n, alert.c.code, alert.c.learned_ms
                ).order_by(alert.c.learned_ms)
            ).all()
        raised = [
            Raised(row.station, f"{row.kind}/{row.n}", row.code, (row.learned_ms - began_ms) / 1000)
            for row in found
        ]
        counts = self._gateway.health.counts
        quarantined = sum(count for name, count in counts.items() if name.startswith("quarantined."))
        return Lived(raised, self._hub.carried, len(raised), quarantined)


def _periods(rulebook: str) -> tuple[dict[str, float], float]:
    """How often each kind, and each station, must be heard so that no rule takes it for a lost one."""
    book = load_rulebook(rulebook, version=1, name="rulebook")
    found = {}
    for kind in (SPEAKER_KIND, *kinds()):
        silences = [
            rule.silent_ms / 1000
            for rule in book.for_kind(kind)
            if rule.silent_ms is not None and rule.when is None
        ]
        found[kind] = SHARE_OF_SILENCE * min([QUIET_S, *silences])
    return found, found.pop(SPEAKER_KIND)
