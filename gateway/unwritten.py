"""What memory knows better than its rows, and the kept readings tell again: numbers, ages, parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from domain.ids import DeviceId
    from gateway.fleet import Boot

T = TypeVar("T")

WRITE_AGES_AFTER_MS: Final = 110_000
"""Whoever reads a state from the database must not take a healthy device for a silent one."""
WRITE_PARTS_AFTER_MS: Final = 10_000
"""A cabinet's state is big: in a backlog it is not written anew with each of its reports."""
WRITE_NUMBERS_AFTER_MS: Final = 60_000
"""And hardly two reports tell the same temperatures, of which rules and history have heard already."""
AT_ONCE: Final = 200


class Since(NamedTuple):
    """When it began to be unwritten, and the last reading that its row covers."""

    at_ms: int
    position: int


@dataclass(slots=True)
class Unwritten:
    """Boots that moved on by one reading after the other, stations of whose devices ages alone moved, and
    states of many parts that were written a moment ago, or in which only numbers moved.

    Each is written after some time; until then a restart finds it again in the readings kept since.
    """

    boots: dict[Boot, Since] = field(default_factory=dict)
    ages: dict[str, Since] = field(default_factory=dict)
    parts: dict[DeviceId, Since] = field(default_factory=dict)
    numbers: dict[DeviceId, Since] = field(default_factory=dict)

    def due_boots(self, now_ms: int) -> list[Boot]:
        """The oldest ones whose time is over."""
        return _due(self.boots, now_ms, WRITE_AGES_AFTER_MS)

    def due_ages(self, now_ms: int) -> list[str]:
        """The stations whose time is over, oldest first."""
        return _due(self.ages, now_ms, WRITE_AGES_AFTER_MS)

    def due_parts(self, now_ms: int) -> list[DeviceId]:
        """The oldest ones whose time is over."""
        due = _due(self.numbers, now_ms, WRITE_NUMBERS_AFTER_MS)
        return [*_due(self.parts, now_ms, WRITE_PARTS_AFTER_MS), *due]

    def waits(self, device: DeviceId) -> bool:
        """True while its row lacks some values."""
        return device in self.parts or device in self.numbers

    def written(self, boots: Iterable[Boot], stations: Iterable[str], states: Iterable[DeviceId]) -> None:
        """Their rows are as new as memory."""
        for boot in boots:
            if not boot.written:
                boot.written = True
                self.boots.pop(boot, None)
        for station in stations:
            self.ages.pop(station, None)
        for device in states:
            self.parts.pop(device, None)
            self.numbers.pop(device, None)

    def covered(self, position: int) -> int:
        """All readings up to this one are in the rows, too; `position` is the newest there is."""
        firsts = (next(iter(one.values()), None) for one in (self.boots, self.ages, self.parts, self.numbers))
        return min((since.position for since in firsts if since is not None), default=position)


def _due(unwritten: dict[T, Since], now_ms: int, after_ms: int) -> list[T]:
    due: list[T] = []
    for one, since in unwritten.items():
        if 0 <= now_ms - since.at_ms < after_ms or len(due) == AT_ONCE:
            break
        due.append(one)
    return due
