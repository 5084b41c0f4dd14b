"""Which station breaks when: drawn from a scenario, the same for the same seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from device_sim.behaviour import behaviours
from device_sim.fault_kind import FaultKind, UnknownFault, check_arguments
from device_sim.faults import DEVICE_FAULTS, STATION_FAULTS
from device_sim.scenario import FaultPage, Scenario
from device_sim.station_plan import StationPlan
from device_sim.world import CHINA_MS

STATION = "station"
WARM_UP_S = 3_600
"""So long nothing breaks: who has never reported cannot fall silent."""
APART_S = 1_800
"""Between two faults of one station, so that it is clear which of them an alert is about."""
TRIES = 200


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: `at_s` and `until_s` in seconds from the beginning; `device` None is the whole station."""

    number: int
    page: int
    station: str
    device: str | None
    fault: str
    at_s: float
    until_s: float
    args: Mapping[str, float] = field(default_factory=dict)


def begin_ms(scenario: Scenario) -> int:
    """Midnight in China at which the scenario begins."""
    day = scenario.begins
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) - CHINA_MS


def check_faults(scenario: Scenario) -> None:
    """Raise UnknownFault when a page asks for a fault or an argument that does not exist."""
    for number, page in enumerate(scenario.faults, 1):
        try:
            check_arguments(page.fault, _kind_of(page), dict(page.args))
        except UnknownFault as exc:
            raise UnknownFault(f"faults.{number}: {exc}") from None


def draw(
    scenario: Scenario, plans: Sequence[StationPlan], days: float, seed: int, scale: float = 1.0
) -> list[Injection]:
    """All faults, in the order of time. `scale` makes `times` smaller for a smaller town, at least 1.

    No station has two at the same time, unless a page strikes every station. A page that finds no more
    free stations gets fewer than it asked for.
    """
    check_faults(scenario)
    busy: dict[str, list[tuple[float, float]]] = defaultdict(list)
    found: list[Injection] = []
    for at, page in enumerate(scenario.faults):
        rng = random.Random(f"{seed}/{at}/{page.fault}")
        fitting = [plan for plan in plans if _fits(page, plan)]
        if not fitting:
            continue
        wanted = page.count(len(fitting) if page.every_station else len(plans), days)
        if page.times:
            wanted = max(1, round(wanted * scale))
        order = list(fitting) if page.every_station else []
        for n in range(wanted):
            one = _one(page, at, order[n] if order else None, fitting, days, rng, busy)
            if one is not None:
                found.append(one)
    found.sort(key=lambda one: (one.at_s, one.station))
    return [
        Injection(n, one.page, one.station, one.device, one.fault, one.at_s, one.until_s, one.args)
        for n, one in enumerate(found)
    ]


def _one(
    page: FaultPage,
    at: int,
    plan: StationPlan | None,
    fitting: Sequence[StationPlan],
    days: float,
    rng: random.Random,
    busy: dict[str, list[tuple[float, float]]],
) -> Injection | None:
    latest_s = days * 86_400 - min(page.within, page.lasts)
    for _ in range(TRIES):
        chosen = plan or rng.choice(fitting)
        day = page.day - 1 if page.day is not None else rng.randrange(max(1, int(-(-days // 1))))
        minute = float(page.from_) if plan is not None else rng.uniform(page.from_, page.to)
        at_s = day * 86_400 + minute * 60
        until_s = at_s + page.lasts
        if not WARM_UP_S <= at_s <= latest_s:
            if plan is not None:
                return None
            continue
        around = (at_s - APART_S, max(until_s, at_s + page.within) + APART_S)
        if plan is None and any(begin < around[1] and end > around[0] for begin, end in busy[chosen.id]):
            continue
        busy[chosen.id].append(around)
        device = None
        if page.of != STATION:
            names = [f"{one.kind}/{one.n}" for one in chosen.devices if one.kind == page.of]
            device = rng.choice(names)
        return Injection(0, at, chosen.id, device, page.fault, at_s, until_s, page.args)
    return None


def _fits(page: FaultPage, plan: StationPlan) -> bool:
    where = page.where
    return (
        bool(plan.devices)
        and (page.of == STATION or any(device.kind == page.of for device in plan.devices))
        and (where.area is None or plan.area.startswith(where.area))
        and plan.visits_per_day >= where.visits_at_least
        and (where.hours == "any" or plan.hours == where.hours)
    )


def _kind_of(page: FaultPage) -> FaultKind:
    known: Mapping[str, FaultKind]
    if page.of == STATION:
        known = STATION_FAULTS
    elif page.of in behaviours():
        known = {**behaviours()[page.of].FAULTS, **DEVICE_FAULTS}
    else:
        raise UnknownFault(f"of: {page.of!r} is not one of {STATION}, {', '.join(behaviours())}.")
    if page.fault not in known:
        raise UnknownFault(f"fault: {page.of} has no {page.fault!r}; there are {', '.join(known)}.")
    return known[page.fault]
