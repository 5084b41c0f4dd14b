"""The shapes of answers about doors: what stands on the page, and what becomes of a tap."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.shapes import Seats, Shape, Station, Time


class Nearby(Shape):
    """The nearest other station that is open now."""

    station: str = Field(examples=["331002-0002"])
    number: str
    name: str
    name_en: str | None
    distance_m: int = Field(description="in a straight line")
    basis: Literal["live", "timetable"]
    seats: Seats
    navigation: str = Field(description="opens a map that leads there")


class Door(Shape):
    """What the door's page shows; no details of faults."""

    door: str
    station: Station
    label: str | None
    lock: Literal["online", "offline", "unknown"]
    nearby: Nearby | None = Field(description="for when this one cannot be used")


class Unlocking(Shape):
    """The request was taken: follow the stream. `joined`: somebody was quicker, it is the same door."""

    command: str
    state: str
    stream: str
    joined: bool
    access: str


class Step(Shape):
    """A state, and when it was reached."""

    state: str
    at: Time
    after_s: float = Field(description="seconds since the request")
    detail: str | None
    reason: str | None = None
    final: bool = False


class Command(Shape):
    """What became of a command. After `final` nothing more will happen."""

    id: str
    station: str
    device: str
    action: str
    state: str
    reason: str | None
    steps: list[Step]
    final: bool
