"""A scenario in a running simulator: its faults one after the other, as time really passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from device_sim.behaviour import behaviours
from device_sim.fault_kind import FaultKind, UnknownFault
from device_sim.faults import DEVICE_FAULTS, STATION_FAULTS
from device_sim.injections import WARM_UP_S, Injection, draw
from device_sim.scenario import Scenario
from device_sim.station_plan import StationPlan

SHORTEST_S = 60.0
"""So long a fault lasts at the least, however fast a scenario is run."""

Ask = Callable[[Mapping[str, Any]], Any]


def run_live(
    scenario: Scenario,
    plans: Sequence[StationPlan],
    ask: Ask,
    say: Callable[[str], None],
    *,
    speed: float = 1.0,
    days: float | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Inject every fault at its time, `speed` times faster; returns how many. `ask` reaches the simulator.

    The hour in which a scenario lets nothing happen is left out: who plays is there already.
    """
    stop = stop or threading.Event()
    lasts = days or scenario.days
    scale = min(1.0, len(plans) / scenario.stations) * min(1.0, lasts / scenario.days)
    injections = draw(scenario, plans, lasts, scenario.seed, scale)
    done, at_s = 0, 0.0
    for one in injections:
        due_s = (one.at_s - WARM_UP_S) / speed
        if stop.wait(max(0.0, due_s - at_s)):
            break
        at_s = max(at_s, due_s)
        done += _inject(one, speed, ask, say)
    return done


def _inject(one: Injection, speed: float, ask: Ask, say: Callable[[str], None]) -> bool:
    args: dict[str, float] = dict(one.args)
    lasts_s = max(SHORTEST_S, (one.until_s - one.at_s) / speed)
    kind = _kind_of(one)
    if not kind.once:
        args["for_s"] = lasts_s
    elif "seconds" in kind.args:
        args["seconds"] = lasts_s
    request = {"do": "fault", "station": one.station, "device": one.device, "fault": one.fault, "args": args}
    try:
        ask(request)
    except UnknownFault as exc:
        say(f"{one.station} {one.device or 'station'}: {one.fault} was refused: {exc}")
        return False
    say(f"{one.station} {one.device or 'station'}: {one.fault} for {lasts_s:.0f} s")
    return True


def _kind_of(one: Injection) -> FaultKind:
    if one.device is None:
        return STATION_FAULTS[one.fault]
    faults = behaviours()[one.device.partition("/")[0]].FAULTS
    return faults.get(one.fault) or DEVICE_FAULTS[one.fault]
