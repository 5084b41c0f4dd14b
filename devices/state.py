"""All that is known of one device: its own facts, those of its parts, and the rules' notes about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from sys import intern
from typing import Any

from pydantic_core import to_json

from domain.facts import NUMBERS, Facts, Mark

SELF = 0
"""The part number of the device itself."""

Ages = tuple[int | None, Mapping[Any, list[list[Any]]]]
"""When a device was heard, and by part its marks with their names; a mark without names is that of all."""


class News(Enum):
    """How much a state tells that an older one does not: numbers that moved, or anything else."""

    NOTHING = auto()
    NUMBERS = auto()
    MORE = auto()


@dataclass(slots=True)
class DeviceState:
    """Part 0 is the device itself. `watch` belongs to the rules: what is pending or firing, JSON-able."""

    parts: dict[int, Facts] = field(default_factory=lambda: {SELF: Facts()})
    watch: dict[str, Any] = field(default_factory=dict)
    seen_ms: int | None = None
    """When the hub last heard of it, by the hub's clock."""
    clock_fault: bool = False
    refresh_at_ms: int = field(default=0, compare=False)
    """When what its station's row says of it wants to be said anew, by device time."""
    written_ms: int = field(default=0, compare=False)
    """When its row was written last, by the hub's clock."""
    held_by: int = field(default=0, compare=False)
    """The number of the batch that has a changed copy of it."""

    @property
    def own(self) -> Facts:
        """The facts of the device itself."""
        return self.parts[SELF]

    def copy(self) -> DeviceState:
        """A shallow copy: parts are copied when they are touched, by `part_for_change`."""
        return DeviceState(
            self.parts.copy(), self.watch.copy(), self.seen_ms, self.clock_fault, self.refresh_at_ms
        )

    def become(self, other: DeviceState) -> None:
        """Take over the content of a changed copy; whoever holds this state holds the new one."""
        self.parts, self.watch = other.parts, other.watch
        self.seen_ms, self.clock_fault = other.seen_ms, other.clock_fault

    def news_since(self, other: DeviceState) -> News:
        """How much differs besides ages, and what facts that look back remember of repetitions."""
        if (
            self.watch != other.watch
            or self.clock_fault != other.clock_fault
            or self.parts.keys() != other.parts.keys()
        ):
            return News.MORE
        news = News.NOTHING
        for n, facts in self.parts.items():
            values, before = facts.values, other.parts[n].values
            if values != before:
                news = News.NUMBERS
                if values.keys() != before.keys() or not all(
                    values[name].__class__ in NUMBERS and value.__class__ in NUMBERS
                    for name, value in before.items()
                    if values[name] != value
                ):
                    return News.MORE
        return news

    def part_for_change(self, part: int, origin: DeviceState | None) -> Facts:
        """The facts of a part, safe to change although `origin` still shares the unchanged ones."""
        facts = self.parts.get(part)
        if facts is None:
            facts = self.parts[part] = Facts()
        elif origin is not None and origin.parts.get(part) is facts:
            facts = self.parts[part] = facts.copy()
        return facts

    def to_json(self) -> str:
        """For the database: values by part, and each mark once with the names that carry it."""
        parts = {n: [facts.values, facts.by_mark(), facts.memory] for n, facts in self.parts.items()}
        body = {
            "parts": parts,
            "watch": self.watch,
            "seen_ms": self.seen_ms,
            "clock_fault": self.clock_fault,
        }
        return to_json(body).decode()

    @staticmethod
    def from_json(text: str, ages: Ages | None = None) -> DeviceState:
        """Read what `to_json` wrote, and what became younger since."""
        body = json.loads(text)
        parts = {}
        for n, (values, marks, memory) in body["parts"].items():
            # Thousands of states have the same few names.
            values = {intern(name): value for name, value in values.items()}
            remembered = {intern(name): [tuple(one) for one in samples] for name, samples in memory.items()}
            parts[int(n)] = Facts.told(values, marks, remembered)
        state = DeviceState(parts, body["watch"], body["seen_ms"], body["clock_fault"])
        if ages is not None:
            state.grow_younger(ages)
        return state

    def ages(self) -> Ages:
        """What moves when it says again what is known: when it was heard, and the marks of each part."""
        return self.seen_ms, {
            n: [marks[0][:1]] if len(marks) == 1 else marks
            for n, facts in self.parts.items()
            if (marks := facts.by_mark())
        }

    def grow_younger(self, ages: Ages) -> None:
        """Take in what `ages` told after `to_json`, as JSON brings it back."""
        seen_ms, parts = ages
        if seen_ms is not None:
            self.seen_ms = max(self.seen_ms or 0, seen_ms)
        for n, groups in parts.items():
            facts = self.parts.get(int(n))
            if facts is None:
                continue
            for mark, *names in groups:
                facts.age(names or facts.marks, Mark(*mark))
