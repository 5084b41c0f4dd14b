"""One rule: what it watches for, how urgent that is, what is to be done and what people are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.facts import Value
from rules.conditions import Condition
from rules.effects import Severity

STATION = "station"
"""The kind of a rule over a whole station: it sees what devices export by role."""
ANY_KIND = "any"
"""The kind of a rule that holds for every device, and for the station's edge box."""
CLOCK_FAULT = "clock_fault"
"""A fact of every device and edge box: its clock cannot be used."""

LEVEL_ZH: Mapping[Severity, str] = {"emergency": "紧急", "major": "严重", "minor": "一般", "info": "提示"}
LEVEL_EN: Mapping[Severity, str] = {
    "emergency": "Emergency",
    "major": "Major",
    "minor": "Minor",
    "info": "Notice",
}

# A rule may cut, disable and release. Locking, letting in and ending a release are for people.
NEVER_BY_RULE = frozenset({"lockdown", "lock", "resume", "unlock"})


@dataclass(frozen=True, slots=True)
class Action:
    """A command that must become true, for the device itself (`role` None) or for a role of its station."""

    command: str
    role: str | None = None
    args: Mapping[str, int] = field(default_factory=dict)
    part_arg: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a case: fields that are reported, or an event, `at_ms` after its begin."""

    at_ms: int
    fields: Mapping[str, Value]
    event: str | None
    heard: bool


@dataclass(frozen=True, slots=True)
class Case:
    """What must come of a short story: `must_fire`, `must_not` or `must_clear`."""

    wanted: str
    steps: tuple[Step, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`in_part`: it is judged for each part by itself. Durations are milliseconds."""

    code: str
    kind: str
    severity: Severity
    text_zh: str
    text_en: str
    line: int
    in_part: bool = False
    when: Condition | None = None
    event: str | None = None
    silent_ms: int | None = None
    for_ms: int = 0
    clear: Condition | None = None
    clear_for_ms: int = 0
    latch: bool = False
    safety: bool = False
    refuse_entry: bool = False
    log_only: bool = False
    inhibited_by: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    cases: tuple[Case, ...] = ()
    version: int = 0
    """The rulebook that it stands in, where it was put together with another; 0: the one it was read with."""

    @property
    def is_silence(self) -> bool:
        """Hearing from the device ends it; with a `when` it is a silence that follows bad news."""
        return self.silent_ms is not None and self.when is None

    @property
    def reads(self) -> frozenset[str]:
        """The facts whose change makes it worth looking again."""
        return frozenset((self.when.reads if self.when else ()) + (self.clear.reads if self.clear else ()))

    def is_for(self, kind: str) -> bool:
        """True when devices of this kind (or the station itself) are watched by it."""
        return self.kind in (kind, ANY_KIND)

    def does_all_of(self, other: Rule) -> bool:
        """True when an open alert of this safety rule of the same kind leaves nothing for `other` to do."""
        return (
            self.safety
            and self.latch
            and self.kind == other.kind
            and self.refuse_entry >= other.refuse_entry
            and all(action in self.actions for action in other.actions)
        )
