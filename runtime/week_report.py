"""A scenario lived through by as many processes as there are cores, and the table of what was raised."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from device_sim.injections import Injection, draw
from device_sim.plan import plan_stations, smart_stations
from device_sim.scenario import Scenario
from device_sim.score import Line, Score, score
from device_sim.station_plan import StationPlan
from domain.errors import WaystationError
from rules.rulebook import load_rulebook
from runtime.clock import WallClock
from runtime.first_stations import divisions
from runtime.simulated_week import DAY_S, Lived, SimulatedWeek

Say = Callable[[str], None]
MISSED_SHOWN = 10
LOOKS_A_DAY = 4
"""How often a simulated day says how far it is, and what was missed or false until then."""


class PartFailed(WaystationError):
    """One of the processes of a simulated week ended with an error."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario."""

    score: Score
    stations: int
    devices: int
    days: float
    messages: int
    opened: int
    quarantined: int
    unwatched: tuple[str, ...]
    """Codes that a fault has to raise and that no rule of the rulebook can."""


@dataclass(frozen=True, slots=True)
class _Part:
    scenario: Scenario
    plans: Sequence[StationPlan]
    injections: Sequence[Injection]
    rulebook: str
    days: float
    seed: int


def stations_of(scenario: Scenario, count: int | None = None) -> list[StationPlan]:
    """The stations that a scenario is about; fewer with `count`."""
    wanted = count or scenario.stations
    if scenario.grade == "smart24h":
        return smart_stations(divisions(), wanted, scenario.seed)
    return [plan for plan in plan_stations(divisions(), wanted, scenario.seed) if plan.devices]


def run_scenario(
    scenario: Scenario,
    rulebook: str,
    *,
    stations: int | None = None,
    days: float | None = None,
    processes: int | None = None,
    say: Say = lambda _: None,
) -> Outcome:
    """Live through a scenario in-process; `say` hears of each simulated day.

    A smaller town or fewer days get fewer faults, each kind at least one. With one process everything
    happens in this one.
    """
    book = load_rulebook(rulebook, version=1, name="rulebook")
    plans = stations_of(scenario, stations)
    lasts = days or scenario.days
    scale = min(1.0, len(plans) / scenario.stations) * min(1.0, lasts / scenario.days)
    injections = draw(scenario, plans, lasts, scenario.seed, scale)
    parts = [
        _Part(scenario, some, [one for one in injections if one.station in {plan.id for plan in some}],
              rulebook, lasts, scenario.seed)
        for some in _by_county(plans, processes or os.cpu_count() or 1)
    ]  # fmt: skip
    say(
        f"{len(plans)} stations, {sum(len(plan.devices) for plan in plans)} devices, {lasts:g} days, "
        f"{len(injections)} faults, seed {scenario.seed}, {len(parts)} processes"
    )
    lived = [_live(parts[0], say)] if len(parts) == 1 else _live_apart(parts, say)
    raised = [alert for one in lived for alert in one.raised]
    codes = {rule.code for rule in book.rules}
    wanted = {code for page in scenario.faults for code in page.must_raise}
    return Outcome(
        score=score(scenario, injections, raised),
        stations=len(plans),
        devices=sum(len(plan.devices) for plan in plans),
        days=lasts,
        messages=sum(one.messages for one in lived),
        opened=len(raised),
        quarantined=sum(one.quarantined for one in lived),
        unwatched=tuple(sorted(wanted - codes)),
    )


def table(outcome: Outcome) -> list[tuple[object, ...]]:
    """Rows: fault, injected, raised, recall, false alarms, precision, median delay; totals last."""
    rows = [_row(line) for line in outcome.score.lines]
    rows += [(f"({code})", "", "", "", count, "", "") for code, count in outcome.score.others.most_common()]
    found = outcome.score
    told = found.raised + found.false_count
    rows.append(
        (
            "all", found.injected, found.raised, _share(found.raised, found.injected), found.false_count,
            _share(found.raised, told), "",
        )
    )  # fmt: skip
    return rows


HEAD = ("fault", "injected", "raised", "recall", "false alarms", "precision", "median delay")


def remarks(outcome: Outcome) -> list[str]:
    """Sentences under the table: what was missed, what nobody watches, how much went through."""
    found = outcome.score
    whole = (
        f"{outcome.messages:,} messages, {outcome.opened:,} alerts: {found.raised} told of a fault in time, "
        f"{found.explained} more followed from one, {found.noted} told of the day itself, "
        f"{found.false_count} were false; {outcome.quarantined} messages were put into quarantine."
    )
    said = [whole]
    if outcome.unwatched:
        said.append(f"No rule of this rulebook raises {', '.join(outcome.unwatched)}.")
    missed = [one for line in found.lines for one in line.missed]
    for one in missed[:MISSED_SHOWN]:
        where = f"{one.station} {one.device or 'station'}"
        said.append(f"Missed: {where} {one.fault}, from hour {one.at_s / 3600:.2f} of the scenario on.")
    if len(missed) > MISSED_SHOWN:
        said.append(f"and {len(missed) - MISSED_SHOWN} more were missed.")
    shown: Counter[str] = Counter()
    for alert in found.false_alarms:
        shown[alert.code] += 1
        if shown[alert.code] <= 2:
            said.append(f"False: {alert.station} {alert.device} {alert.code}, hour {alert.at_s / 3600:.2f}.")
    return said


def _row(line: Line) -> tuple[object, ...]:
    told = line.raised + line.false_alarms
    delay = "" if line.median_s is None else _span(line.median_s)
    if not line.expected:
        return (line.name, line.injected, "none due", "", "", "", "")
    return (
        line.name, line.injected, line.raised, _share(line.raised, line.injected), line.false_alarms,
        _share(line.raised, told), delay,
    )  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3600:.1f} h"


def _by_county(plans: Sequence[StationPlan], count: int) -> list[list[StationPlan]]:
    """Whole counties, shared so that each process has about as many stations."""
    counties: dict[str, list[StationPlan]] = {}
    for plan in plans:
        counties.setdefault(plan.adcode, []).append(plan)
    parts: list[list[StationPlan]] = [[] for _ in range(min(count, len(counties)))]
    for some in sorted(counties.values(), key=len, reverse=True):
        min(parts, key=len).extend(some)
    return parts


def _live(part: _Part, say: Say, name: str = "") -> Lived:
    week = SimulatedWeek(part.scenario, part.plans, part.injections, part.rulebook, seed=part.seed)
    clock = WallClock()
    began_s = clock.monotonic_s()

    def progress(days: float) -> None:
        if not math.isclose(days * LOOKS_A_DAY, round(days * LOOKS_A_DAY), abs_tol=0.01):
            return
        now_s = days * DAY_S
        settled = [
            one for one in part.injections if one.at_s + part.scenario.faults[one.page].within <= now_s
        ]
        begun = [one for one in part.injections if one.at_s <= now_s]
        alerts = week.lived().raised
        missed = sum(len(line.missed) for line in score(part.scenario, settled, alerts).lines)
        false = score(part.scenario, begun, alerts).false_count
        took_min = (clock.monotonic_s() - began_s) / 60
        say(
            f"{name}day {days:.2f} of {part.days:g} after {took_min:.0f} min: {len(begun)} faults so far, "
            f"{missed} missed, {len(alerts)} alerts, {false} false"
        )

    with week:
        return week.live(part.days, progress)


def _live_apart(parts: Sequence[_Part], say: Say) -> list[Lived]:
    context = multiprocessing.get_context("spawn")
    processes = []
    open_ends: list[Connection] = []
    lived: list[Lived] = []
    try:
        for number, part in enumerate(parts, 1):
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_apart, args=(part, number, there), daemon=True)
            process.start()
            there.close()
            processes.append(process)
            open_ends.append(here)
        while open_ends:
            for ready in wait(open_ends):
                assert isinstance(ready, Connection)
                try:
                    said = ready.recv()
                except EOFError:
                    open_ends.remove(ready)
                    continue
                if isinstance(said, Lived):
                    lived.append(said)
                else:
                    say(said)
        if len(lived) < len(parts):
            raise PartFailed("A process of the simulated week ended with an error; it has said which.")
        return lived
    finally:
        for process in processes:
            process.kill()
            process.join()


def _apart(part: _Part, number: int, end: Connection) -> None:
    end.send(_live(part, end.send, f"process {number}: "))
    end.close()
