"""A door lock: bolt, leaf and mode are three separate facts, and none of them follows from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from devices.derived import TurnsTo
from devices.kind import Command, Export, Kind
from devices.message import Event, Telemetry, metric
from domain.facts import Value

Bolt = Literal["locked", "unlocked", "moving", "jammed", "unknown"]
Leaf = Literal["open", "closed", "unknown"]
Mode = Literal["normal", "free_access", "lockdown", "fire_release", "maintenance"]
Cause = Literal["remote", "pass", "card", "face", "inside_button", "key", "fire", "operator", "unknown"]

FRESH_S = 300


class DoorTelemetry(Telemetry):
    """State of lock and leaf."""

    bolt: Bolt | None = metric("where the bolt is", fresh_s=FRESH_S)
    leaf: Leaf | None = metric("whether the door leaf is open", fresh_s=FRESH_S)
    mode: Mode | None = metric("what the lock lets in", fresh_s=FRESH_S)
    forced: bool | None = metric("opened without a valid cause", fresh_s=FRESH_S)
    battery_pct: float | None = metric("battery of the lock", unit="%", low=0, high=100, fresh_s=7200)
    mains_ok: bool | None = metric("mains present", fresh_s=FRESH_S)
    tamper: bool | None = metric("housing opened", fresh_s=FRESH_S)
    last_unlock_cause: Cause | None = metric("what unlocked it last", fresh_s=86_400)


class _DoorEvent(Event):
    bolt: Bolt | None = metric("where the bolt is now", fresh_s=FRESH_S)
    leaf: Leaf | None = metric("where the leaf is now", fresh_s=FRESH_S)


class Unlocked(_DoorEvent):
    """The bolt moved out."""

    sets: ClassVar[dict[str, Value]] = {"bolt": "unlocked"}
    type: Literal["unlocked"]
    last_unlock_cause: Cause | None = metric("what unlocked it", fresh_s=86_400)
    command: str | None = Field(default=None, max_length=64, description="id of the command that it obeyed")


class Locked(_DoorEvent):
    """The bolt moved in."""

    sets: ClassVar[dict[str, Value]] = {"bolt": "locked"}
    type: Literal["locked"]


class Opened(_DoorEvent):
    """The leaf was opened, after a valid cause."""

    sets: ClassVar[dict[str, Value]] = {"leaf": "open"}
    type: Literal["opened"]


class Closed(_DoorEvent):
    """The leaf was closed."""

    sets: ClassVar[dict[str, Value]] = {"leaf": "closed"}
    type: Literal["closed"]


class Forced(_DoorEvent):
    """The leaf opened although the bolt was locked and nobody was let in."""

    sets: ClassVar[dict[str, Value]] = {"leaf": "open", "forced": True}
    safety: ClassVar[bool] = True
    type: Literal["forced"]


class Jammed(_DoorEvent):
    """The bolt did not get where it was sent."""

    sets: ClassVar[dict[str, Value]] = {"bolt": "jammed"}
    type: Literal["jammed"]


class InsideButton(_DoorEvent):
    """Somebody inside pressed the button to leave."""

    type: Literal["inside_button"]


def _own(name: str, role: str = "door", fresh_s: int = FRESH_S) -> Export:
    return Export(role=role, name=name, type="str", fresh_s=fresh_s)


def _cycles(name: str) -> Export:
    return Export(role="door", name=name, type="int", aged_by="leaf", fresh_s=FRESH_S, shown=False)


def _mode_is(mode: str) -> Command:
    def holds(facts: Mapping[str, Value]) -> bool:
        return facts.get("mode") == mode

    return Command(name={"fire_release": "release", "normal": "resume"}.get(mode, mode), holds=holds)


KIND = Kind(
    name="door_lock",
    title_zh="门锁",
    title_en="Door lock",
    telemetry=DoorTelemetry,
    events={
        "unlocked": Unlocked,
        "locked": Locked,
        "opened": Opened,
        "closed": Closed,
        "forced": Forced,
        "jammed": Jammed,
        "inside_button": InsideButton,
    },
    commands={
        "unlock": Command(name="unlock", args={"open_s": (1, 10)}),
        "release": _mode_is("fire_release"),
        "lockdown": _mode_is("lockdown"),
        "resume": _mode_is("normal"),
    },
    derived=(
        TurnsTo("cycles_6h", "leaf", "open", 6 * 3600),
        TurnsTo("cycles_12h", "leaf", "open", 12 * 3600),
        TurnsTo("unlocks_5m", "bolt", "unlocked", 300),
    ),
    exports=(_own("bolt"), _own("leaf"), _own("mode"), _cycles("cycles_6h"), _cycles("cycles_12h")),
    period_s=60,
)
