"""What is known of one device or one of its parts, and the order in which facts replace each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Value = float | int | bool | str | None
"""None means: known to be unknown. A field that was never reported is absent."""


class Mark(NamedTuple):
    """Where a value comes from. A higher (boot_since_ms, seq) replaces a lower one, also when it is late."""

    boot_since_ms: int
    seq: int
    at_ms: int


_NEVER = Mark(0, -1, 0)


class StationFact(NamedTuple):
    """What a device says of its station: `door_lock/1` says `leaf` is `closed`, as of, valid until."""

    value: Value
    as_of_ms: int
    valid_until_ms: int


class Facts:
    """Values, the mark of each, and what derived facts remember (JSON-able).

    Most messages say again what is known. `repeat` notes such a one in a single step; the marks of its
    fields follow when somebody asks for them.
    """

    __slots__ = ("_again", "_again_mark", "_again_until_ms", "_marks", "memory", "values")

    def __init__(
        self,
        values: dict[str, Value] | None = None,
        marks: dict[str, Mark] | None = None,
        memory: dict[str, Any] | None = None,
    ) -> None:
        self.values: dict[str, Value] = {} if values is None else values
        self.memory: dict[str, Any] = {} if memory is None else memory
        self._marks: dict[str, Mark] = {} if marks is None else marks
        self._again: Mapping[str, Value] | None = None
        self._again_mark = _NEVER
        self._again_until_ms = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Facts):
            return NotImplemented
        return (self.values, self.marks, self.memory) == (other.values, other.marks, other.memory)

    __hash__ = None  # type: ignore[assignment]

    @property
    def marks(self) -> dict[str, Mark]:
        """Where each value comes from."""
        if self._again is not None:
            self._marks.update(dict.fromkeys(self._again, self._again_mark))
            self._again = None
        return self._marks

    def by_mark(self) -> list[list[Any]]:
        """Each mark once, with the names that carry it (JSON-able)."""
        marks = self._marks
        if self._again is not None:
            # Not by way of `marks`: the next message may say the same once more.
            marks = {**marks, **dict.fromkeys(self._again, self._again_mark)}
        found: dict[int, list[Any]] = {}
        for name, mark in marks.items():
            try:
                found[id(mark)].append(name)
            except KeyError:
                found[id(mark)] = [mark, name]
        return list(found.values())

    def copy(self) -> Facts:
        """An independent copy. What `memory` holds is replaced on change, never altered."""
        return Facts(self.values.copy(), self.marks.copy(), self.memory.copy())

    def repeat(self, fields: Mapping[str, Value], mark: Mark, until_ms: int) -> None:
        """Note that `fields` were said again, which are known, and that until then (device time) it would
        change nothing to hear the same."""
        if self._again is not fields and self._again is not None:
            self._marks.update(dict.fromkeys(self._again, self._again_mark))
        self._again = fields
        self._again_mark = mark
        self._again_until_ms = until_ms

    def repeats(self, fields: Mapping[str, Value], mark: Mark) -> int:
        """When the very same fields as last time are said again and that changes nothing: until when that
        is so. 0 otherwise, also where one would have to look."""
        if fields is not self._again:
            return 0
        since_ms, seq, _ = self._again_mark
        until_ms = self._again_until_ms
        return until_ms if since_ms == mark[0] and seq < mark[1] and mark[2] < until_ms else 0

    def fold(self, fields: Mapping[str, Value], mark: Mark) -> tuple[list[str], bool]:
        """Take `fields` in where `mark` is the higher one. Returns the names whose value changed, and
        whether any field was older than what is known (that one is history only)."""
        values, marks = self.values, self.marks
        changed = []
        stale = False
        for name, value in fields.items():
            known = marks.get(name)
            if known is not None and mark < known:
                stale = True
                continue
            marks[name] = mark
            if name not in values or values[name] != value or type(values[name]) is not type(value):
                values[name] = value
                changed.append(name)
        return changed, stale

    def knows(self, fields: Mapping[str, Value], mark: Mark) -> bool:
        """True when each of `fields` is known, as it is, from before `mark`."""
        values, marks = self.values, self.marks
        for name, value in fields.items():
            known = marks.get(name)
            if known is None or mark < known:
                return False
            old = values[name]
            if old != value or type(old) is not type(value):
                return False
        return True

    def as_of(self, name: str) -> int | None:
        """When the value was true, epoch milliseconds; None if never reported."""
        mark = self.marks.get(name)
        return None if mark is None else mark.at_ms
