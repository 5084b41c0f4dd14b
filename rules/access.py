"""May this person come in now? All reasons against it, in the order in which they count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from rules.availability import Availability, availability
from rules.calendar import Calendar, date_of
from rules.liveness import Link
from rules.schedule import HoursState
from rules.station_view import StationInfo, StationView, Timetables
from rules.wording import Reason, Wording, denied

Certification = Literal["certified", "uncertified", "pending", "expired", "banned"]
Presence = Literal["proven", "position", "unknown"]
CodeState = Literal["valid", "expired", "replayed"]

_ALWAYS = HoursState(True, None)
_STAFF_WAIVED: frozenset[Reason] = frozenset(
    {"out_of_service", "too_far", "no_location", "hours", "night", "full"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """Who asks. `presence` is `proven` by the door's own code or button, else judged by position.

    `entitled`: the session may open this door (for staff: scope `door:open` and an area that holds it).
    `wait_s` is how long this person must still wait after too many requests, 0 for none.
    """

    actor_kind: Literal["worker", "staff"]
    at_ms: int
    entitled: bool
    certification: Certification = "certified"
    code: CodeState = "valid"
    presence: Presence = "proven"
    distance_m: float | None = None
    accuracy_m: float = 0.0
    wait_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFacts:
    """What is known of the door and its station; `people` only when the count is fresh and not in doubt."""

    safety: bool
    out_of_service: bool
    out_reason: str | None = None
    out_until: str | None = None
    link: Link = "unknown"
    jammed: bool = False
    hours: HoursState = _ALWAYS
    has_night_hours: bool = False
    hours_today: str = ""
    night_today: str = ""
    people: int | None = None
    capacity: int | None = None
    phone: str | None = None
    nearby: str | None = None
    nearby_en: str | None = None
    nearby_m: float | None = None

    @staticmethod
    def of(
        info: StationInfo,
        view: StationView,
        door: str,
        link: Link,
        now_ms: int,
        calendar: Calendar | Timetables,
        *,
        phone: str | None = None,
    ) -> AccessFacts:
        """Gather them. `door` is the short name of the lock (`door_lock/1`), `link` that of its speaker."""
        timetables = calendar if isinstance(calendar, Timetables) else Timetables(calendar)
        now: Availability = availability(info, view, now_ms, timetables)
        told = view.devices.get(door, {})
        bolt = told.get("bolt")
        mode = told.get("mode")
        in_mode = mode.value if mode is not None and mode.valid_until_ms > now_ms else None
        today = date_of(now_ms)
        day, night = timetables.hours(info.hours), timetables.hours(info.night_hours or "")
        return AccessFacts(
            safety=now.state == "safety" or in_mode == "fire_release",
            out_of_service=info.status != "active" or in_mode in ("lockdown", "maintenance"),
            out_reason=info.status_reason,
            out_until=info.status_until,
            link=link,
            jammed=bolt is not None and bolt.value == "jammed" and bolt.valid_until_ms > now_ms,
            hours=timetables.state(info, now_ms),
            has_night_hours=info.night_hours is not None,
            hours_today=day.on(today) if day else "",
            night_today=night.on(today) if night and info.night_hours else "",
            people=now.people.value if now.people else None,
            capacity=info.capacity,
            phone=phone,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be set. Nothing waives safety, a dead or broken lock, or a missing entitlement."""

    near_m: float = 150.0
    waived_for_staff: frozenset[Reason] = _STAFF_WAIVED

    def __post_init__(self) -> None:
        if not self.waived_for_staff <= _STAFF_WAIVED:
            wrong = ", ".join(sorted(self.waived_for_staff - _STAFF_WAIVED))
            raise ValueError(f"{wrong} cannot be waived for staff")


@dataclass(frozen=True, slots=True)
class Granted:
    """Come in. `waived` are the reasons that count for workers only."""

    waived: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """Not now: the first reason is the one that is shown and stored, all of them are kept."""

    reason: Reason
    reasons: tuple[Reason, ...]
    title_zh: str
    line2_zh: str
    title_en: str
    line2_en: str


def decide(request: AccessRequest, facts: AccessFacts, policy: Policy, now_ms: int) -> Granted | Denied:
    """Only entry is decided here; the way out is mechanical and nobody's decision."""
    found = tuple(_against(request, facts, policy))
    waived = policy.waived_for_staff if request.actor_kind == "staff" else frozenset()
    reasons = tuple(reason for reason in found if reason not in waived)
    if not reasons:
        return Granted(found)
    words = _words(reasons[0], request, facts, now_ms)
    return Denied(reasons[0], reasons, words.title_zh, words.line2_zh, words.title_en, words.line2_en)


def _against(request: AccessRequest, facts: AccessFacts, policy: Policy) -> Iterator[Reason]:
    if facts.safety:
        yield "safety"
    if facts.out_of_service:
        yield "out_of_service"
    if facts.link == "offline":
        yield "offline"
    if facts.jammed:
        yield "lock_fault"
    if request.code == "expired":
        yield "qr_expired"
    if request.code == "replayed":
        yield "qr_replayed"
    if request.certification != "certified":
        yield request.certification
    elif not request.entitled:
        yield "uncertified"
    if request.presence == "unknown" or (request.presence == "position" and request.distance_m is None):
        yield "no_location"
    elif request.presence == "position" and (request.distance_m or 0.0) > policy.near_m + request.accuracy_m:
        # A poor position must not lock out who is there: its accuracy counts in their favour.
        yield "too_far"
    if facts.hours.open is False:
        yield "night" if facts.has_night_hours else "hours"
    # A drifted or silent counter must not keep people out in a heat wave.
    if facts.people is not None and facts.capacity and facts.people >= facts.capacity:
        yield "full"
    if request.wait_s > 0:
        yield "rate"


def _words(reason: Reason, request: AccessRequest, facts: AccessFacts, now_ms: int) -> Wording:
    opens_zh, opens_en = _opens(facts.hours.until_ms, now_ms)
    distance = "" if request.distance_m is None else _metres(request.distance_m)
    number = request.wait_s if reason == "rate" else facts.people
    common = {
        "date": facts.out_until or "",
        "phone": facts.phone or "",
        "dist": distance,
        "hours": facts.hours_today,
        "night": facts.night_today,
        "away": "" if facts.nearby_m is None else _metres(facts.nearby_m),
        "n": "" if number is None else str(number),
    }
    near = facts.nearby or ""
    zh = {**common, "reason": facts.out_reason or "", "opens": opens_zh, "near": near}
    return denied(reason, zh, {**common, "opens": opens_en, "near": facts.nearby_en or near})


def _opens(at_ms: int | None, now_ms: int) -> tuple[str, str]:
    if at_ms is None:
        return "", ""
    day, today = date_of(at_ms), date_of(now_ms)
    clock = (datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(hours=8)).strftime("%H:%M")
    if day == today:
        return f"今天 {clock}", clock
    if day == today + timedelta(days=1):
        return f"明天 {clock}", f"{clock} tomorrow"
    return f"{day.month} 月 {day.day} 日 {clock}", f"{clock} on {day.isoformat()}"


def _metres(distance_m: float) -> str:
    return f"{distance_m / 1000:.1f} km" if distance_m >= 1000 else f"{round(distance_m)} m"
