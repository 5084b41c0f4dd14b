"""What a device kind declares about itself, and what follows from the declaration."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from devices.derived import Derived
from devices.message import Event, Message, Part, Telemetry
from devices.said_before import SaidBefore
from devices.state import DeviceState
from domain.facts import Value

ColumnType = Literal["float", "int", "bool", "str"]
_ENVELOPE = frozenset(Message.model_fields) | {"n", "type"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured field: a typed column of the series, a variable of the rules."""

    name: str
    type: ColumnType
    unit: str | None
    low: float | None
    high: float | None
    fresh_s: int
    choices: tuple[str, ...] = ()
    bounded: bool = field(init=False)
    """True for a number with a valid range."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounded", self.low is not None or self.high is not None)

    def in_range(self, value: Value) -> bool:
        """False for a number outside the valid range."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that can be asked of a device.

    `holds` tells whether the facts (of the device, or of the part in `args`) show that it is done;
    None means that it happens once and is never asked again (an unlock).
    `only_when_empty`: a rule may ask for it only while surely nobody is in the room.
    """

    name: str
    args: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    part_arg: str | None = None
    holds: Callable[[Mapping[str, Value]], bool] | None = None
    only_when_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The equal parts of a kind: `slots` of a cabinet. An event about one of them has a field `name`."""

    name: str
    field: str
    model: type[Part]
    derived: tuple[Derived, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a device tells of its station under a role, e.g. role `door`, name `leaf`."""

    role: str
    name: str
    type: ColumnType
    read: Callable[[DeviceState, int], tuple[Value, int] | None] | None = None
    """(state, now_ms) -> (value, as_of_ms), or None when nothing was ever reported. Left out where it is the
    device's own fact of that name."""
    aged_by: str = ""
    """The metric from which such a fact has its age, where it is not a metric itself."""
    fresh_s: int
    shown: bool = True
    """False for what only rules look at: it moves all the time and is no reason to tell anybody."""
    sources: tuple[str, ...] | None = None
    """The metrics and derived facts that `read` looks at, of the device or of its parts; None: any. Only its
    own name where nothing is read."""
    whole: bool = False
    """It is its only source, rounded to a whole number."""
    fact: str = field(init=False)
    """What rules over a station call it: `door.leaf`."""
    fresh_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fresh_ms", self.fresh_s * 1000)
        object.__setattr__(self, "fact", f"{self.role}.{self.name}")
        if self.read is None:
            object.__setattr__(self, "aged_by", self.aged_by or self.name)
            object.__setattr__(self, "sources", (self.name,))

    def tell(self, state: DeviceState, now_ms: int) -> tuple[Value, int] | None:
        """Value and as of when (ms); None when nothing was ever reported."""
        if self.read is not None:
            return self.read(state, now_ms)
        own = state.own
        mark = own.mark(self.aged_by)
        return None if mark is None else (own.values.get(self.name), mark.at_ms)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A device kind. Everything about it stands in its one file."""

    name: str
    title_zh: str
    title_en: str
    telemetry: type[Telemetry]
    events: Mapping[str, type[Event]] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    derived: tuple[Derived, ...] = ()
    parts: Parts | None = None
    exports: tuple[Export, ...] = ()
    period_s: int = 60
    """How often a healthy device reports at the least; three missed periods make its link unknown."""
    metrics: Mapping[str, Metric] = field(init=False)
    part_metrics: Mapping[str, Metric] = field(init=False)
    part_key: bytes = field(init=False)
    """What stands before the parts in a message, `"slots":`; empty without parts."""
    told_by: frozenset[str] | None = field(init=False)
    """The names on which its exports depend; None: any may matter."""
    roles: frozenset[str] = field(init=False)
    """The roles that it plays in its station."""
    shown: tuple[str, ...] = field(init=False)
    """The names of its exports that are shown."""
    said_before: SaidBefore[Mapping[str, Value]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        part_field = self.parts.field if self.parts else None
        object.__setattr__(self, "said_before", SaidBefore())
        object.__setattr__(self, "part_key", b'"%b":' % part_field.encode() if part_field else b"")
        object.__setattr__(self, "metrics", metrics_of(self.telemetry, leave_out=part_field))
        object.__setattr__(self, "part_metrics", metrics_of(self.parts.model) if self.parts else {})
        sources = [export.sources for export in self.exports]
        known = None if None in sources else frozenset(name for one in sources for name in one or ())
        object.__setattr__(self, "told_by", known)
        object.__setattr__(self, "roles", frozenset(export.role for export in self.exports))
        object.__setattr__(self, "shown", tuple(export.name for export in self.exports if export.shown))

    def fresh_s(self, name: str, in_part: bool) -> int:
        """The age in seconds after which a fact of this name is unknown."""
        found = (self.part_metrics if in_part else self.metrics).get(name)
        if found is not None:
            return found.fresh_s
        derived = self.parts.derived if in_part and self.parts else self.derived
        for one in derived:
            if one.name == name:
                return self.fresh_s(one.source, in_part)
        return 600

    def variables(self, in_part: bool) -> dict[str, ColumnType]:
        """Names and types that a rule over this kind (or over one of its parts) may use."""
        names: dict[str, ColumnType] = {m.name: m.type for m in self.metrics.values()}
        names.update({d.name: d.type for d in self.derived})
        if in_part and self.parts:
            names.update({m.name: m.type for m in self.part_metrics.values()})
            names.update({d.name: d.type for d in self.parts.derived})
        return names


def metrics_of(model: type[BaseModel], leave_out: str | None = None) -> dict[str, Metric]:
    """The metrics that a model declares, in order."""
    return {
        name: _metric(name, info)
        for name, info in model.model_fields.items()
        if name not in _ENVELOPE and name != leave_out
    }


def _metric(name: str, info: FieldInfo) -> Metric:
    extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    column, choices = _column(name, info.annotation)
    return Metric(
        name=name,
        type=column,
        unit=extra.get("x-unit"),
        low=extra.get("x-valid-from"),
        high=extra.get("x-valid-to"),
        fresh_s=int(extra.get("x-fresh-s", 600)),
        choices=choices,
    )


def _column(name: str, annotation: Any) -> tuple[ColumnType, tuple[str, ...]]:
    options: Iterable[Any] = [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        options = [a for a in get_args(annotation) if a is not type(None)]
    for option in options:
        if get_origin(option) is Literal:
            return "str", tuple(str(a) for a in get_args(option))
        for kind, column in ((bool, "bool"), (int, "int"), (float, "float"), (str, "str")):
            if option is kind:
                return column, ()  # type: ignore[return-value]
    raise TypeError(f"metric {name}: {annotation!r} is not a number, a truth value, a text or a choice")
