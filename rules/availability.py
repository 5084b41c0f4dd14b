"""Can people use a station now? A pure function of what is known and of the time, which says how it knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from domain.facts import StationFact, Value
from rules.calendar import Calendar, midnight_ms
from rules.liveness import Link
from rules.schedule import HoursState
from rules.station_view import StationInfo, StationView, Timetables

State = Literal["open", "closing", "full", "closed", "out", "safety", "unknown", "plan"]
Basis = Literal["live", "timetable"]
Level = Literal["plenty", "few", "full", "unknown", "none"]

CLOSING_MS = 30 * 60_000
DOOR_FACTS = ("bolt", "leaf", "mode")
WaterLevel = Literal["hot", "ok", "low", "empty", "off", "unknown"]
WATER_ORDER: tuple[WaterLevel, ...] = ("hot", "ok", "low", "empty", "off")
"""Of several dispensers people go to the best."""
NO_WATER = frozenset({"water_quality", "water_leak", "dry_burn", "filter_overdue"})
"""While one of these is open nobody shall be sent there to drink, whatever the machine says."""

FEW_PEOPLE = 2
"""With so few inside, how many is nobody's business."""
STUCK = "occupancy_stuck"


@dataclass(frozen=True, slots=True)
class Claim:
    """A number, as of, valid until; None for the number when it is not known."""

    value: int | None
    as_of_ms: int | None
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Seats:
    """`none`: nothing counts people here, or nobody said how many fit."""

    level: Level
    free: int | None = None
    as_of_ms: int | None = None
    valid_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Water:
    """What the taps give: `empty` has run dry, `off` is suspended."""

    level: WaterLevel
    as_of_ms: int | None = None
    valid_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """What is true now. `water` is None without a dispenser, `batteries` without a cabinet, `air`
    (whole °C in the room) without a climate sensor; `people` is for staff.

    `next_change_ms` is when to look again although nothing was reported: hours change, or a claim ends.
    """

    state: State
    basis: Basis
    until_ms: int | None
    opens_ms: int | None
    reason: str | None
    seats: Seats
    batteries: Claim | None
    people: Claim | None
    link: Link
    as_of_ms: int | None
    valid_until_ms: int | None
    next_change_ms: int | None
    water: Water | None = None
    air: Claim | None = None

    def public(self) -> Availability:
        """What anyone may see: no head count, and no free seats from which a lone person could be told."""
        seats, people = self.seats, self.people
        few = people is not None and people.value is not None and people.value <= FEW_PEOPLE
        if few and seats.level in ("plenty", "few"):
            seats = replace(seats, level="plenty", free=None)
        return replace(self, people=None, seats=seats)


def availability(
    info: StationInfo, view: StationView, now_ms: int, calendar: Calendar | Timetables
) -> Availability:
    """Judge a station. Hand in one `Timetables` for many calls: it keeps parsed hours."""
    timetables = calendar if isinstance(calendar, Timetables) else Timetables(calendar)
    hours = timetables.state(info, now_ms)
    people = _people(view, now_ms)
    seats = _seats(info, view, people, now_ms)
    state, basis, reason = _state(info, view, hours, seats, now_ms)
    batteries = _batteries(view, now_ms, safe=state != "safety")
    as_of_ms, valid_until_ms = _door_claim(view, now_ms) if basis == "live" else (now_ms, None)
    until_ms: int | None = None
    opens_ms: int | None = None
    if state == "safety":
        as_of_ms = view.lockdown.since_ms if view.lockdown else as_of_ms
        valid_until_ms = None if view.lockdown else valid_until_ms
    elif state == "out":
        until_ms = _day_ms(info.status_until)
    elif state == "closed":
        opens_ms = valid_until_ms = hours.until_ms
    else:
        until_ms = hours.until_ms
        valid_until_ms = _earliest(valid_until_ms, until_ms)
    return Availability(
        state=state,
        basis=basis,
        until_ms=until_ms,
        opens_ms=opens_ms,
        reason=reason,
        seats=seats,
        batteries=batteries,
        people=people,
        link=view.link if view.devices or view.links else "unknown",
        as_of_ms=as_of_ms,
        valid_until_ms=valid_until_ms,
        next_change_ms=_next_change(info, view, hours, now_ms),
        air=_air(view, now_ms),
        water=_water(view, now_ms, safe=state != "safety"),
    )


def _state(
    info: StationInfo, view: StationView, hours: HoursState, seats: Seats, now_ms: int
) -> tuple[State, Basis, str | None]:
    if view.lockdown is not None:
        return "safety", "live", view.lockdown.code
    modes = view.values("mode", now_ms)
    if "fire_release" in modes:
        return "safety", "live", "fire_release"
    if info.status != "active":
        return "out", "timetable", info.status_reason or info.status
    if modes and modes <= {"lockdown", "maintenance"}:
        return "out", "live", "maintenance" if "maintenance" in modes else "lockdown"
    if hours.open is False:
        return "closed", "timetable", None
    if hours.open is None:
        return "unknown", "timetable", "hours"
    if not info.equipped and not view.devices:
        return "plan", "timetable", None
    if not _is_live(view, now_ms):
        return "unknown", "live", "offline" if view.link == "offline" else "stale"
    if seats.level == "full":
        return "full", "live", None
    if hours.until_ms is not None and hours.until_ms - now_ms <= CLOSING_MS:
        return "closing", "live", None
    return "open", "live", None


def _is_live(view: StationView, now_ms: int) -> bool:
    doors = [name for name in DOOR_FACTS if any(True for _ in view.facts(name))]
    if doors:
        return any(view.fresh(name, now_ms) for name in doors) and view.link != "offline"
    return view.link == "online" or any(
        fact.valid_until_ms > now_ms for facts in view.devices.values() for fact in facts.values()
    )


def _door_claim(view: StationView, now_ms: int) -> tuple[int | None, int | None]:
    """As old as the newest word of the doors (or of anything, where no door speaks)."""
    told = [one for name in DOOR_FACTS for one in view.facts(name)]
    if not told:
        told = [fact for facts in view.devices.values() for fact in facts.values()]
    if not told:
        return None, None
    newest = max(told, key=lambda one: (one.as_of_ms, one.valid_until_ms))
    return newest.as_of_ms, newest.valid_until_ms


def _number(value: Value) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _people(view: StationView, now_ms: int) -> Claim | None:
    told = list(view.facts("people"))
    return _total(told, now_ms, doubtful=STUCK in view.doubtful, whole=True) if told else None


def _water(view: StationView, now_ms: int, *, safe: bool) -> Water | None:
    told = list(view.facts("water"))
    if not told:
        return None
    fresh = [one for one in told if one.valid_until_ms > now_ms and one.value in WATER_ORDER]
    if not safe or not fresh:
        return Water("unknown", min(one.as_of_ms for one in told), None)
    level, best = min(
        ((level, one) for one in fresh for level in WATER_ORDER if level == one.value),
        key=lambda found: (WATER_ORDER.index(found[0]), -found[1].valid_until_ms),
    )
    if view.doubtful & NO_WATER:
        level = "off"
    return Water(level, best.as_of_ms, best.valid_until_ms)


def _batteries(view: StationView, now_ms: int, *, safe: bool) -> Claim | None:
    told = list(view.facts("full_batteries"))
    # While a battery burns nobody shall come for another one.
    return _total(told, now_ms, doubtful=not safe, whole=False) if told else None


def _air(view: StationView, now_ms: int) -> Claim | None:
    """The newest word that still counts: rooms are small, and sensors in one room agree or are broken."""
    told = list(view.facts("temp_c"))
    if not told:
        return None
    fresh = [one for one in told if one.valid_until_ms > now_ms and _number(one.value) is not None]
    newest = max(fresh or told, key=lambda one: one.as_of_ms)
    if not fresh:
        return Claim(None, newest.as_of_ms, None)
    return Claim(_number(newest.value), newest.as_of_ms, newest.valid_until_ms)


def _total(told: list[StationFact], now_ms: int, *, doubtful: bool, whole: bool) -> Claim:
    """The sum over devices. `whole`: unknown unless all are known; otherwise at least what is known."""
    as_of_ms = min(one.as_of_ms for one in told)
    fresh = [one for one in told if one.valid_until_ms > now_ms and _number(one.value) is not None]
    if doubtful or not fresh or (whole and len(fresh) < len(told)):
        return Claim(None, as_of_ms, None)
    value = sum(_number(one.value) or 0 for one in fresh)
    return Claim(value, min(one.as_of_ms for one in fresh), min(one.valid_until_ms for one in fresh))


def _seats(info: StationInfo, view: StationView, people: Claim | None, now_ms: int) -> Seats:
    if people is None or not info.capacity:
        return Seats("none")
    if people.value is None:
        return Seats("unknown", None, people.as_of_ms, None)
    free = max(0, info.capacity - people.value)
    level: Level = "plenty"
    if free == 0:
        level = "full"
    elif free <= max(1, info.capacity // 4):
        level = "few"
    return Seats(level, free, people.as_of_ms, people.valid_until_ms)


def _day_ms(text: str | None) -> int | None:
    try:
        return midnight_ms(date.fromisoformat(text)) if text else None
    except ValueError:
        return None


def _next_change(info: StationInfo, view: StationView, hours: HoursState, now_ms: int) -> int | None:
    moments = [fact.valid_until_ms for facts in view.devices.values() for fact in facts.values()]
    if hours.until_ms is not None:
        moments += [hours.until_ms, hours.until_ms - CLOSING_MS]
    until_ms = _day_ms(info.status_until)
    if until_ms is not None:
        moments.append(until_ms)
    return min((one for one in moments if one > now_ms), default=None)


def _earliest(one: int | None, other: int | None) -> int | None:
    return min((ms for ms in (one, other) if ms is not None), default=None)
