"""Those who judge stored messages: the rules of a side, and the alerts that are open by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.ids import DeviceId
from rules.effects import Effect, OpenAlert, ResolveAlert
from rules.side_by_side import Side, Sides
from rules.stored import Episode
from rules.watch import Watcher


@dataclass(slots=True)
class _Open:
    alert: OpenAlert
    flaps: int = 0


@dataclass(slots=True)
class Judge:
    """One side's rules, with what they think of one station. `above` are rules that hold for it, too."""

    side: Side
    watcher: Watcher
    above: Judge | None = None
    open: dict[tuple[DeviceId, int, str], _Open] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()
    in_danger: bool = False

    def open_codes(self) -> frozenset[str]:
        """Codes of the station's own alerts that are open."""
        return self.codes if self.above is None else self.codes | self.above.codes

    @property
    def alarm(self) -> bool:
        """A safety alert of the station is open."""
        return self.in_danger or (self.above is not None and self.above.in_danger)

    def take(self, effect: Effect, station: DeviceId, tell: Callable[[Judge, Episode], None]) -> bool:
        """Note that an alert began or ended; `tell` hears of one that is over. False for anything else."""
        if isinstance(effect, OpenAlert):
            key = (effect.device, effect.part, effect.code)
            known = self.open.get(key)
            if known is not None:
                known.flaps += 1
            else:
                self.open[key] = _Open(effect)
        elif isinstance(effect, ResolveAlert):
            known = self.open.pop((effect.device, effect.part, effect.code), None)
            if known is None:
                return False
            tell(self, Episode(known.alert, effect.at_ms, effect.reason, known.flaps))
        else:
            return False
        self.in_danger = any(one.alert.safety for one in self.open.values())
        if effect.device == station:
            self.codes = frozenset(code for device, _, code in self.open if device == station)
        return True

    def end(self, tell: Callable[[Judge, Episode], None]) -> None:
        """Tell of all that is still open."""
        for known in self.open.values():
            tell(self, Episode(known.alert, None, None, known.flaps))
        self.open.clear()


def judges_of(sides: Sides, names: tuple[str, str]) -> list[Judge]:
    """Fresh judges for one station; a side without rules has none."""
    found: list[Judge] = []
    above: Judge | None = None
    for side, book in sides.items():
        if side != "both" and not book.rules:
            continue
        judge = Judge(side, Watcher(book, lambda _: names), above)
        above = above or (judge if side == "both" else None)
        found.append(judge)
    return found
