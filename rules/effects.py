"""What the rules want to happen, as data; the gateway commits it and then makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from domain.facts import Mark, Value
from domain.ids import DeviceId

Severity = Literal["emergency", "major", "minor", "info"]
Reason = Literal["cleared", "superseded", "rule_removed", "reset"]


@dataclass(frozen=True, slots=True)
class Basis:
    """Why an alert opened, for whoever asks later.

    `marks` tells of each value where it comes from: (boot_since_ms, seq, at_ms), or None where the rule
    saw what a device tells of its station. `pending_ms` is since when the condition held, `held_by` the
    codes of the alerts that kept it back meanwhile, `cause` what opened it.
    """

    cause: Literal["when", "event", "silent", "late"] = "when"
    pending_ms: int | None = None
    marks: Mapping[str, Mark | None] = field(default_factory=dict)
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """Something is wrong.

    `happened_ms` is when it was true, `learned_ms` when the hub got to know. The same alert may be asked
    for again while it is open: then it flapped, or `refuse_entry` has become true since.
    """

    device: DeviceId
    part: int
    code: str
    severity: Severity
    safety: bool
    latch: bool
    refuse_entry: bool
    happened_ms: int
    learned_ms: int
    values: Mapping[str, Value]
    rulebook_version: int
    text_zh: str
    text_en: str
    basis: Basis = field(default_factory=Basis)


@dataclass(frozen=True, slots=True)
class ResolveAlert:
    """It is over: the facts say so, a graver alert takes over, its rule went, or a person reset it."""

    device: DeviceId
    part: int
    code: str
    at_ms: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that must become true; it is asked again until the command's `holds` says so.

    `device` is a device, or the name of a role (`door`): then all devices of that role at the station.
    `part` tells on whose facts `holds` is to be judged (0 = the device itself).
    """

    device: DeviceId | str
    part: int
    command: str
    code: str
    args: Mapping[str, int] = field(default_factory=dict)


Effect = OpenAlert | ResolveAlert | Ask
