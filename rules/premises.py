"""What the hub itself knows of a station, beside what its devices say: hours, emptiness, danger, mains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from devices.kind import ColumnType
from domain.facts import StationFact, Value
from rules.schedule import HoursState
from rules.station_facts import DeviceFacts, Member
from rules.station_view import StationInfo, Timetables

STEP_MIN: Final = 5
FARTHEST_MIN: Final = 120
"""Minutes until opening are counted in steps of five, from two hours on; before that it is two hours."""

PREMISES: Final[Mapping[str, ColumnType]] = {
    "schedule.open": "bool",
    "schedule.opens_in_min": "int",
    "station.surely_empty": "bool",
    "station.alarm": "bool",
    "station.mains_ok": "bool",
    "station.capacity": "int",
}
"""Names and types that rules over a station may use."""

RESTS_ON: Final[Mapping[str, tuple[str, ...]]] = {
    "station.surely_empty": ("occupancy.presence", "occupancy.count_raw", "door.leaf"),
    "station.mains_ok": ("power.mains_ok", "climate.mains_ok"),
}
"""What devices tell that makes up what the hub knows."""

_MIN_MS = 60_000


class Premises(NamedTuple):
    """`next_ms` is when the clock alone changes a value, `ends_ms` when emptiness is no longer sure."""

    values: dict[str, Value]
    next_ms: int | None
    ends_ms: int | None


class Emptiness(NamedTuple):
    """`sure` only while every people counter says so; `until_ms` is when the first of them grows stale."""

    sure: bool
    until_ms: int | None


def premises(
    info: StationInfo,
    timetables: Timetables,
    members: Iterable[Member],
    facts: Mapping[str, DeviceFacts],
    now_ms: int,
    *,
    alarm: bool,
    caught_up: bool = True,
) -> Premises:
    """Everything at a moment. What is not known is left out.

    `facts` by the short name of each device, `alarm` whether a safety alert of the station is open.
    While old messages still come in (`caught_up` false) nothing is said about emptiness.
    """
    members = list(members)
    hours = timetables.state(info, now_ms) if info.status == "active" else HoursState(False, None)
    values: dict[str, Value] = {"station.alarm": alarm}
    next_ms = hours.until_ms
    if hours.open is not None:
        values["schedule.open"] = hours.open
        left_min, next_ms = _until_opening(hours, now_ms)
        values["schedule.opens_in_min"] = left_min
    emptiness = surely_empty(members, facts, now_ms)
    if caught_up:
        values["station.surely_empty"] = emptiness.sure
    if info.capacity is not None:
        values["station.capacity"] = info.capacity
    mains_ok, mains_until_ms = _mains(members, facts, now_ms)
    if mains_ok is not None:
        values["station.mains_ok"] = mains_ok
    if mains_until_ms is not None:
        next_ms = mains_until_ms if next_ms is None else min(next_ms, mains_until_ms)
    return Premises(values, next_ms, emptiness.until_ms if emptiness.sure else None)


def told_for(names: Iterable[str]) -> set[str]:
    """The names among these that devices tell, and those that the rest of them rest on."""
    found: set[str] = set()
    for name in names:
        found.update(RESTS_ON.get(name, ()) if name in PREMISES else (name,))
    return found


def surely_empty(members: Iterable[Member], facts: Mapping[str, DeviceFacts], now_ms: int) -> Emptiness:
    """Nobody is in the room, and that is known: each counter is fresh, sees nobody and counts nobody.

    Without a counter, with a silent one, with one that contradicts itself, or with a door that stands
    open, it is not sure: a person asleep in a corner must not be left in the dark.
    """
    counters = 0
    until_ms: int | None = None
    for member in members:
        roles = member.kind.roles
        if "occupancy" not in roles and "door" not in roles:
            continue
        told = facts.get(member.device.short, {})
        if "occupancy" in roles:
            counters += 1
            seen, count = told.get("presence"), told.get("count_raw")
            if seen is None or seen.value is not False or seen.valid_until_ms <= now_ms:
                return Emptiness(False, None)
            if isinstance(count, StationFact) and isinstance(count.value, int) and count.value > 0:
                return Emptiness(False, None)
            until_ms = seen.valid_until_ms if until_ms is None else min(until_ms, seen.valid_until_ms)
        leaf = told.get("leaf") if "door" in roles else None
        if leaf is not None and leaf.value == "open" and leaf.valid_until_ms > now_ms:
            return Emptiness(False, None)
    return Emptiness(counters > 0, until_ms)


def _until_opening(hours: HoursState, now_ms: int) -> tuple[int, int | None]:
    """Minutes in steps, and when the step changes."""
    if hours.open:
        return 0, hours.until_ms
    if hours.until_ms is None:
        return FARTHEST_MIN, None
    step_ms = STEP_MIN * _MIN_MS
    steps = min(-(-(hours.until_ms - now_ms) // step_ms), FARTHEST_MIN // STEP_MIN)
    return steps * STEP_MIN, hours.until_ms - (steps - 1) * step_ms


def _mains(
    members: Iterable[Member], facts: Mapping[str, DeviceFacts], now_ms: int
) -> tuple[bool | None, int | None]:
    """The meter knows best; a sensor whose plug was pulled out is no failure of the mains.

    With it, when its word is too old, if another is there that would then be believed and says otherwise.
    """
    found: bool | None = None
    until_ms: int | None = None
    for role in ("power", "climate"):
        told = [
            fact
            for member in members
            if role in member.kind.roles
            and (fact := facts.get(member.device.short, {}).get("mains_ok")) is not None
            and fact.valid_until_ms > now_ms
            and fact.value is not None
        ]
        if not told:
            continue
        mains_ok = any(fact.value is True for fact in told)
        if found is None:
            found, until_ms = mains_ok, max(fact.valid_until_ms for fact in told)
        elif mains_ok != found:
            return found, until_ms
    return found, None
