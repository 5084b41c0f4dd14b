"""What every simulated device can do, and how the files that know a kind are found."""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import device_sim
from device_sim.fault_kind import FaultKind, UnknownFault
from device_sim.pace import FULL_REPORT_MS as FULL_REPORT_MS  # new behaviours look for it here
from device_sim.pace import OWN_PACE, Pace
from device_sim.room import Place
from devices.registry import kinds

NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Say:
    """A message that a device wants to send: `leaf` is telemetry or event."""

    leaf: Literal["telemetry", "event"]
    body: Mapping[str, Any]
    safety: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that was accepted has ended; `reason` when it could not be done."""

    command_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device says to an accepted command at once; `pending` ends later with `Finished`."""

    state: Literal["done", "rejected", "pending"]
    reason: str | None = None


Word = Say | Finished
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """What a device gets at its start: a random generator of its own, the time, its place, its pace."""

    rng: random.Random
    now_ms: int
    place: Place
    size: Mapping[str, int] = field(default_factory=dict)
    pace: Pace = OWN_PACE


class Behaviour(Protocol):
    """One simulated device. `now_ms` never jumps; it is not the station's clock, which may be wrong.

    `begin` comes first. `tick` is called when `next_ms` is reached, and also earlier, and returns what
    is to be said. A dead device does not hear commands. After `fault`, `heal`, `set_back`, `on_command`
    and `report_all` another `tick` follows at once. `report_all` makes the next periodic report a full one,
    which comes at `by_ms` at the latest. `set_back` is somebody on site who puts right what the hub has cut,
    shut or released.
    """

    FAULTS: ClassVar[Mapping[str, FaultKind]]

    def begin(self, start: Start) -> None: ...
    def next_ms(self) -> int: ...
    def tick(self, now_ms: int) -> list[Word]: ...
    def report_all(self, by_ms: int) -> None: ...
    def hears(self) -> bool: ...
    def on_command(self, now_ms: int, command_id: str, action: str, args: Arguments) -> Outcome: ...
    def fault(self, now_ms: int, name: str, args: Arguments) -> None: ...
    def heal(self, now_ms: int, name: str) -> None: ...
    def set_back(self, now_ms: int) -> None: ...


@cache
def behaviours() -> Mapping[str, type[Behaviour]]:
    """The behaviour of each kind: in the file beside this one that is named after the kind."""
    found: dict[str, type[Behaviour]] = {}
    for module in pkgutil.iter_modules(device_sim.__path__):
        if module.name in kinds():
            found[module.name] = importlib.import_module(f"device_sim.{module.name}").BEHAVIOUR
    return MappingProxyType(found)


def behaviour_of(kind: str) -> Behaviour:
    """A new device of this kind; UnknownFault when nothing plays it."""
    made = behaviours().get(kind)
    if made is None:
        raise UnknownFault(f"No behaviour plays the kind {kind!r}; there are {', '.join(behaviours())}.")
    return made()
