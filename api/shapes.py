"""The shapes of what the API answers, for its description and for those who write clients."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = str
"""RFC 3339 in UTC, such as 2026-11-23T12:00:00.000Z."""


class Shape(BaseModel):
    """Nothing is left out and nothing is added."""

    model_config = ConfigDict(extra="forbid")


class Seats(Shape):
    """Free seats, and until when that may be believed; `none` means that nothing counts them."""

    level: Literal["plenty", "few", "full", "unknown", "none"]
    free: int | None = Field(
        description="null when unknown, or when so few are inside that it is nobody's business"
    )
    as_of: Time | None
    valid_until: Time | None


class Water(Shape):
    """What the taps give: `low` is nearly empty, `empty` has run dry, `off` is suspended."""

    level: Literal["hot", "ok", "low", "empty", "off", "unknown"]
    as_of: Time | None
    valid_until: Time | None


class Batteries(Shape):
    """Full batteries in the swap cabinet."""

    full: int | None
    as_of: Time | None
    valid_until: Time | None


class Air(Shape):
    """The air in the room."""

    temp_c: int | None = Field(description="the middle of some minutes in whole °C; null when unknown")
    as_of: Time | None
    valid_until: Time | None


class People(Shape):
    """People inside, roughly; staff only."""

    about: int | None
    as_of: Time | None
    valid_until: Time | None


class Availability(Shape):
    """What is true now. After `valid_until` it is unknown, whoever shows it."""

    state: Literal["open", "closing", "full", "closed", "out", "safety", "unknown", "plan"]
    basis: Literal["live", "timetable"]
    until: Time | None = Field(description="until when it stays open")
    opens: Time | None = Field(description="when it opens next")
    reason: str | None
    as_of: Time | None
    valid_until: Time | None
    seats: Seats | None
    water: Water | None = Field(description="null: there is no dispenser")
    batteries: Batteries | None = Field(description="null: there is no cabinet")
    air: Air | None = Field(default=None, description="null: nothing measures it")
    people: People | None = Field(default=None, description="only for staff of the area")
    version: int


class AlertsSummary(Shape):
    """Open alerts of a station; staff only."""

    open: int
    worst: Literal["emergency", "major", "minor", "info"] | None
    first: str | None = Field(description="what the worst says, without its severity and the station's name")
    first_en: str | None


class Station(Shape):
    """A station of the ledger, with what is true of it now."""

    id: str = Field(examples=["331002-0001"])
    number: str = Field(description="the short number on the plate", examples=["001"])
    adcode: str = Field(description="the county it belongs to (GB/T 2260)", examples=["331002"])
    name: str = Field(examples=["椒江万达劳动者驿站"])
    name_en: str | None
    address: str | None
    address_en: str | None
    grade: Literal["basic", "benchmark", "smart24h"]
    hours: str | None = Field(description="OSM opening_hours", examples=["Mo-Su 08:00-21:00"])
    night_hours: str | None = Field(description="self-service at night, OSM opening_hours")
    capacity: int | None
    lat: float | None = Field(description="WGS-84")
    lon: float | None = Field(description="WGS-84")
    phone: str | None
    equipped: bool = Field(description="false: hours, but no devices")
    availability: Availability
    alerts: AlertsSummary | None = Field(default=None, description="only for staff of the area")


class StationsPage(Shape):
    """Some stations, and the cursor of the next page."""

    items: list[Station]
    next: str | None


class StationAvailability(Shape):
    """Availability of one of many."""

    station: str
    availability: Availability


class AvailabilityList(Shape):
    """Availability of all stations of an area."""

    version: int
    now: Time
    items: list[StationAvailability]


class Acknowledged(Shape):
    """Who takes care of it, since when."""

    at: Time
    by: str | None


class Resolved(Shape):
    """When and why it ended."""

    at: Time
    reason: str | None
    by: str | None
    note: str | None


class Alert(Shape):
    """One fault, from its beginning to its end."""

    id: str
    station: str
    adcode: str
    device: str = Field(examples=["swap_cabinet/1"])
    part: int = Field(description="0: the device itself")
    code: str
    severity: Literal["emergency", "major", "minor", "info"]
    safety: bool
    state: Literal["firing", "acknowledged", "resolved"]
    latched: bool = Field(description="ends only when a person resets it")
    refuse_entry: bool
    happened: Time
    learned: Time
    values: dict[str, Any]
    text_zh: str
    text_en: str
    acknowledged: Acknowledged | None
    resolved: Resolved | None
    flaps: int
    rulebook_version: int
    version: int


class AlertsPage(Shape):
    """Some alerts, the newest first, and the cursor of the next page."""

    items: list[Alert]
    next: str | None


class Reset(Shape):
    """Why a latched alert may end."""

    reason: str = Field(min_length=3, max_length=500, examples=["到场检查，误报"])


class Fact(Shape):
    """One field of a device, as it was last reported."""

    value: float | int | bool | str | None
    unit: str | None
    as_of: Time | None
    valid_until: Time | None


class Device(Shape):
    """A device of the registry, and whether it is heard."""

    id: str = Field(examples=["331002-0001/door_lock/1"])
    station: str
    kind: str
    n: int
    label: str | None
    label_en: str | None
    speaker: str
    link: Literal["online", "offline", "unknown"]
    link_since: Time | None
    seen: Time | None


class DeviceState(Device):
    """All that a device and its parts last said."""

    data: Literal["fresh", "stale", "none"]
    function: Literal["works", "fails", "unknown"] = Field(
        description="whether it did what it was told last, within a day"
    )
    clock_fault: bool
    fields: dict[str, Fact]
    parts: dict[str, dict[str, Fact]]


class DeviceList(Shape):
    """The devices of a station."""

    items: list[Device]


class History(Shape):
    """One metric over time; where nothing was reported there is no point."""

    metric: str
    unit: str | None
    step_s: float | None
    points: list[tuple[Time, float | int | bool | str | None]]


class Quarantined(Shape):
    """A message that could not be understood, and why."""

    id: int
    topic: str
    payload: str = Field(description="as text, at most 16 KiB; what is not UTF-8 is escaped")
    size: int
    reason: str
    path: str
    detail: str
    station: str | None
    first: Time
    last: Time
    count: int
    state: Literal["waiting", "replayed", "dropped"]
    whole: bool = Field(description="false: cut, so it cannot be tried again")


class QuarantinePage(Shape):
    """Some kept messages, the newest first, and the cursor of the next page."""

    items: list[Quarantined]
    next: str | None


class Replay(Shape):
    """The gateway will try the message again."""

    replay: int
    quarantined: int
    state: Literal["waiting"]
