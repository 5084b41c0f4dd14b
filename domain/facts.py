"""What is known of one device or one of its parts, and the order in which facts replace each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from sys import intern
from typing import Any, Final, NamedTuple

Value = float | int | bool | str | None
"""None means: known to be unknown. A field that was never reported is absent."""
NUMBERS: Final = (float, int)
"""The classes of values that can be reckoned with; a truth value is none of them."""


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

    Nearly every message is newer than all before, and tells what the last one told: then one mark stands for
    all names that were told, and those of other names, which are lower, stay as they are.
    """

    __slots__ = ("_newest", "_others", "_told", "_until_ms", "memory", "values")

    def __init__(
        self,
        values: dict[str, Value] | None = None,
        marks: Mapping[str, Mark] | None = None,
        memory: dict[str, Any] | None = None,
    ) -> None:
        self.values: dict[str, Value] = {} if values is None else values
        self.memory: dict[str, Any] = {} if memory is None else memory
        self._told: Collection[str] = ()
        """Names whose mark is `_newest`."""
        self._newest = _NEVER
        self._others: Mapping[str, Mark] = _NONE
        """Of all other names, none higher; replaced on change, never altered."""
        self._until_ms = 0
        if marks:
            self._take(marks)

    @staticmethod
    def told(values: dict[str, Value], by_mark: list[list[Any]], memory: dict[str, Any]) -> Facts:
        """Made from what `by_mark` gave, as JSON brings it back."""
        facts = Facts(values, None, memory)
        groups = [(Mark(*mark), names) for mark, *names in by_mark]
        facts._newest = max((mark for mark, _ in groups), default=_NEVER)
        told, others = list[str](), dict[str, Mark]()
        for mark, names in groups:
            if mark == facts._newest:
                told += map(intern, names)
            else:
                others.update(dict.fromkeys(map(intern, names), mark))
        facts._told, facts._others = _interned(tuple(told)), others or _NONE
        return facts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Facts):
            return NotImplemented
        return (self.values, self.marks, self.memory) == (other.values, other.marks, other.memory)

    __hash__ = None  # type: ignore[assignment]

    @property
    def marks(self) -> dict[str, Mark]:
        """Where each value comes from, as it is now."""
        return {**self._others, **dict.fromkeys(self._told, self._newest)}

    def mark(self, name: str) -> Mark | None:
        """Where a value comes from; None if it was never reported."""
        return self._newest if name in self._told else self._others.get(name)

    def by_mark(self) -> list[list[Any]]:
        """Each mark with the names that carry it (JSON-able)."""
        found: dict[int, list[Any]] = {}
        for name, mark in self._others.items():
            try:
                found[id(mark)].append(name)
            except KeyError:
                found[id(mark)] = [mark, name]
        groups = list(found.values())
        if self._told:
            groups.append([self._newest, *self._told])
        return groups

    def copy(self) -> Facts:
        """An independent copy. What `memory` holds is replaced on change, never altered."""
        copy = Facts.__new__(Facts)
        copy.values, copy.memory = self.values.copy(), self.memory.copy()
        copy._told, copy._newest, copy._until_ms = self._told, self._newest, self._until_ms
        copy._others = self._others
        return copy

    def age(self, names: Iterable[str], mark: Mark) -> None:
        """Note that these, as far as they are known, were said again, where that is newer."""
        told = _interned(tuple(names))
        if told is self._told and self._newest < mark:
            self._newest = mark
            return
        marks = self.marks
        known = [name for name in told if name in marks and marks[name] < mark]
        if known and self._newest < mark:
            self._tell(_interned(tuple(known)), mark)
        elif known:
            self._take({**marks, **dict.fromkeys(known, mark)})

    def put(self, name: str, mark: Mark) -> None:
        """Set the mark of one name, whatever it was."""
        self._take({**self.marks, name: mark})

    def repeat(self, fields: Mapping[str, Value], mark: Mark, until_ms: int) -> None:
        """Note that `fields` were said again, which are known, and that until then (device time) it would
        change nothing to hear the same."""
        if not self._newest < mark:
            self.age(fields, mark)
            return
        if fields is self._told:
            self._newest = mark
        else:
            self._tell(fields, mark)
        self._until_ms = until_ms

    def repeats(self, fields: Mapping[str, Value], mark: Mark) -> int:
        """When the very same fields as last time are said again and that changes nothing: until when that
        is so. 0 otherwise, also where one would have to look."""
        if fields is not self._told:
            return 0
        since_ms, seq, _ = self._newest
        until_ms = self._until_ms
        return until_ms if since_ms == mark[0] and seq < mark[1] and mark[2] < until_ms else 0

    def fold(self, fields: Mapping[str, Value], mark: Mark) -> tuple[list[str], bool]:
        """Take `fields` in where `mark` is the higher one. Returns the names whose value changed, and
        whether any field was older than what is known (that one is history only)."""
        values = self.values
        changed = []
        if self._newest < mark:
            self._tell(_interned(tuple(fields)), mark)
            for name, value in fields.items():
                old = values.get(name, _ABSENT)
                if old != value or type(old) is not type(value):
                    values[name] = value
                    changed.append(name)
            return changed, False
        marks = self.marks
        stale = False
        for name, value in fields.items():
            known = marks.get(name)
            if known is not None and mark < known:
                stale = True
                continue
            marks[name] = mark
            old = values.get(name, _ABSENT)
            if old != value or type(old) is not type(value):
                values[name] = value
                changed.append(name)
        self._take(marks)
        return changed, stale

    def knows(self, fields: Mapping[str, Value], mark: Mark) -> bool:
        """True when each of `fields` is known, as it is, from before `mark`."""
        values = self.values
        for name, value in fields.items():
            old = values.get(name, _ABSENT)
            if old != value or type(old) is not type(value):
                return False
        if self._newest <= mark:
            return True
        return all((known := self.mark(name)) is not None and known <= mark for name in fields)

    def as_of(self, name: str) -> int | None:
        """When the value was true, epoch milliseconds; None if never reported."""
        mark = self.mark(name)
        return None if mark is None else mark.at_ms

    def _tell(self, told: Collection[str], mark: Mark) -> None:
        """`told` carry this mark from now on, which is higher than any."""
        before = self._told
        if told is not before:
            others = {**self._others, **dict.fromkeys(before, self._newest)}
            for name in told:
                others.pop(name, None)
            self._others = others or _NONE
            self._told = told
            self._until_ms = 0
        self._newest = mark

    def _take(self, marks: Mapping[str, Mark]) -> None:
        newest = max(marks.values(), default=_NEVER)
        told = tuple(name for name, mark in marks.items() if mark == newest)
        self._told, self._newest, self._until_ms = _interned(told), newest, 0
        self._others = {name: mark for name, mark in marks.items() if mark != newest} or _NONE


def _interned(names: tuple[str, ...]) -> tuple[str, ...]:
    """Thousands of devices tell the same few names in the same order."""
    known = _NAMES.get(names)
    if known is None:
        if len(_NAMES) >= _MAX_NAMES:
            return names
        known = _NAMES[names] = names
    return known


_ABSENT: Final = object()
_NONE: Final[Mapping[str, Mark]] = {}
_NAMES: Final[dict[tuple[str, ...], tuple[str, ...]]] = {}
_MAX_NAMES: Final = 4096
