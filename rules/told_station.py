"""What was known of a station at a moment that is judged again, from its devices and by the hub itself."""

from __future__ import annotations

from collections.abc import Iterable

from domain.facts import Value
from rules.premises import Premises, premises
from rules.replayed import NEVER, ReplayedDevice
from rules.rule import CLOCK_FAULT
from rules.station_facts import by_role, differ, facts_of
from rules.station_view import Timetables
from rules.stored import StoredStation

ALARM = "station.alarm"


class ToldStation:
    """Reads the facts again only when something of them may have expired. Hours, capacity and the state of
    the station are those of its entry in the ledger."""

    def __init__(
        self, station: StoredStation, devices: Iterable[ReplayedDevice], timetables: Timetables
    ) -> None:
        self._station = station
        self._timetables = timetables
        self._telling = [one for one in devices if one.exports]
        self._facts: dict[str, Value] = {}
        self._known: Premises | None = None
        self.until_ms = 0
        """Until when nothing of what was read expires; 0 to read it again."""

    def facts(self, now_ms: int, clock_fault: bool, alarm: bool) -> dict[str, Value]:
        """Everything by name, without what is unknown."""
        if now_ms >= self.until_ms:
            self._read(now_ms)
        facts = self._facts | {CLOCK_FAULT: clock_fault}
        if self._known is not None:
            facts[ALARM] = alarm
        return facts

    def renew(self, now_ms: int) -> None:
        """Ask every device what it tells now, also what it was not asked for lately."""
        for one in self._telling:
            one.pass_to(now_ms)
            if one.restless and one.kind is not None:
                one.catch_up(one.sources)
                facts = facts_of(one.kind, one.facts, now_ms)
                if differ(one.kind, one.told, facts)[0]:
                    one.tell(facts)
                    self.until_ms = 0
                one.restless = False

    def wake_ms(self, *, waits: bool) -> int:
        """When the clock alone changes something. That emptiness ends by silence matters only while a rule
        waits for something."""
        if self._known is None:
            return NEVER
        ends_ms = self._known.ends_ms if waits else None
        return min((ms for ms in (self._known.next_ms, ends_ms) if ms is not None), default=NEVER)

    def _read(self, now_ms: int) -> None:
        here, members = self._station, self._station.devices
        told = {one.device.short: one.told for one in self._telling if one.told}
        self._facts = by_role(members, told, now_ms)
        ends = [f.valid_until_ms for own in told.values() for f in own.values() if f.valid_until_ms > now_ms]
        if here.info is not None and members:
            known = premises(here.info, self._timetables, members, told, now_ms, alarm=False)
            self._facts.update(known.values)
            self._known = known
            ends += [ms for ms in (known.next_ms, known.ends_ms) if ms is not None]
        self.until_ms = min(ends, default=NEVER)
