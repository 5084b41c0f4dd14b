"""What memory knows better than its rows: order numbers and ages that the kept readings tell again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from domain.ids import DeviceId
    from gateway.fleet import Boot

T = TypeVar("T")

WRITE_NUMBERS_AFTER_MS: Final = 60_000
WRITE_AGES_AFTER_MS: Final = 110_000
"""Whoever reads a state from the database must not take a healthy device for a silent one."""
AT_ONCE: Final = 200


class Since(NamedTuple):
    """When it began to be unwritten, and the last reading that its row covers."""

    at_ms: int
    position: int


@dataclass(slots=True)
class Unwritten:
    """Boots that moved on by one reading after the other, and states whose ages alone moved.

    Each is written after some minutes; until then a restart finds it again in the readings kept since.
    """

    boots: dict[Boot, Since] = field(default_factory=dict)
    states: dict[DeviceId, Since] = field(default_factory=dict)

    def due_boots(self, now_ms: int) -> list[Boot]:
        """The oldest ones whose time is over."""
        return _due(self.boots, now_ms, WRITE_NUMBERS_AFTER_MS)

    def due_states(self, now_ms: int) -> list[DeviceId]:
        """The oldest ones whose time is over."""
        return _due(self.states, now_ms, WRITE_AGES_AFTER_MS)

    def written(self, boots: Iterable[Boot], states: Iterable[DeviceId]) -> None:
        """Their rows are as new as memory."""
        for boot in boots:
            if not boot.written:
                boot.written = True
                self.boots.pop(boot, None)
        for device in states:
            self.states.pop(device, None)

    def covered(self, position: int) -> int:
        """All readings up to this one are in the rows, too; `position` is the newest there is."""
        firsts = (next(iter(one.values()), None) for one in (self.boots, self.states))
        return min((since.position for since in firsts if since is not None), default=position)


def _due(unwritten: dict[T, Since], now_ms: int, after_ms: int) -> list[T]:
    due: list[T] = []
    for one, since in unwritten.items():
        if 0 <= now_ms - since.at_ms < after_ms or len(due) == AT_ONCE:
            break
        due.append(one)
    return due
