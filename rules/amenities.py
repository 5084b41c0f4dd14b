"""What a station offers, and what its devices' readings say of whether it was there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from devices.kind import Kind
from devices.state import DeviceState
from domain.facts import Mark, StationFact, Value
from rules.station_facts import DeviceFacts, facts_of
from rules.utilisation import Claim, Span, Verdict, either, over, timeline

Amenity = Literal["open", "door", "seats", "water", "batteries"]
AMENITIES: Final[tuple[Amenity, ...]] = ("open", "door", "seats", "water", "batteries")
STUCK: Final = "occupancy_stuck"
NO_WATER: Final = ("off", "empty")
SHUT_MODES: Final = ("lockdown", "maintenance", "fire_release")
Period = tuple[int, int]


class Heard(Protocol):
    """A telemetry message: when it counts, and the fields of the device and of its parts."""

    @property
    def at_ms(self) -> int: ...
    @property
    def fields(self) -> Mapping[str, Value]: ...
    @property
    def parts(self) -> Mapping[int, Mapping[str, Value]]: ...


@dataclass(slots=True)
class Record:
    """What one device claimed over a time, in order: each amenity, people inside, people counted in."""

    claims: dict[Amenity, list[Claim]] = field(default_factory=dict)
    alive: list[Claim] = field(default_factory=list)
    people: list[tuple[int, int, int]] = field(default_factory=list)
    """From, until at most, how many."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else decides: when nobody was meant to come, who was kept out, which counter was stuck."""

    closed: Sequence[Period] = ()
    refused: Sequence[Period] = ()
    stuck: Sequence[Period] = ()


def lookback_ms(kind: Kind) -> int:
    """For how long a reading may count: what was said before a period reaches so far into it."""
    return max((export.fresh_s for export in kind.exports), default=0) * 1000


def record_of(kind: Kind, readings: Iterable[Heard]) -> Record:
    """Go through the readings of a device, in order of time, as the hub would have."""
    record = Record()
    judges: list[tuple[Amenity, _Judge]] = []
    for role in {export.role for export in kind.exports} & _JUDGES.keys():
        judges += _JUDGES[role].items()
    for amenity, _ in judges:
        record.claims[amenity] = []
    state = DeviceState()
    for at, heard in enumerate(readings):
        mark = Mark(0, at, heard.at_ms)
        if heard.fields:
            state.own.fold(heard.fields, mark)
        for part, fields in heard.parts.items():
            state.part_for_change(part, None).fold(fields, mark)
        _note(record, judges, facts_of(kind, state, heard.at_ms), heard.at_ms)
    return record


def spans_of(
    records: Sequence[Record], around: Circumstances, from_ms: int, to_ms: int
) -> dict[Amenity, list[Span]]:
    """When each amenity of a station was up, down, unknown or closed; only those that it has devices for.

    A station without a speaking door is open while anything in it is heard.
    """
    found: dict[Amenity, list[Span]] = {}
    for amenity in AMENITIES:
        claims = [record.claims[amenity] for record in records if amenity in record.claims]
        if not claims and amenity == "open":
            claims = [record.alive for record in records]
        if not claims:
            continue
        spans = either([timeline(one, from_ms, to_ms) for one in claims])
        if amenity == "seats":
            spans = over(spans, around.stuck, "down")
        elif amenity != "door":
            # While an alarm keeps people out they have neither water nor batteries.
            spans = over(spans, around.refused, "down")
        found[amenity] = over(spans, around.closed, "closed")
    return found


def person_ms(records: Iterable[Record], from_ms: int, to_ms: int) -> tuple[int, int]:
    """Milliseconds that people spent inside, and milliseconds for which that is known."""
    spent = known = 0
    for record in records:
        for at, (begins_ms, valid_until_ms, people) in enumerate(record.people):
            until_ms = record.people[at + 1][0] if at + 1 < len(record.people) else to_ms
            length = min(until_ms, valid_until_ms, to_ms) - max(begins_ms, from_ms)
            if length > 0:
                spent += length * people
                known += length
    return spent, known


def _note(record: Record, judges: Sequence[tuple[Amenity, _Judge]], facts: DeviceFacts, at_ms: int) -> None:
    if facts:
        record.alive.append(Claim(at_ms, max(fact.valid_until_ms for fact in facts.values()), "up"))
    for amenity, judge in judges:
        record.claims[amenity].append(judge(facts, at_ms) or Claim(at_ms, at_ms, "unknown"))
    people = facts.get("people")
    if people is not None:
        known = isinstance(people.value, int)
        until_ms, inside = (people.valid_until_ms, people.value) if known else (at_ms, 0)
        record.people.append((at_ms, until_ms, int(inside or 0)))


_Judge = Callable[[DeviceFacts, int], Claim | None]


def _known(facts: DeviceFacts, names: Iterable[str], at_ms: int) -> dict[str, StationFact]:
    found = {name: facts[name] for name in names if name in facts}
    return {
        n: one
        for n, one in found.items()
        if one.value not in (None, "unknown") and one.valid_until_ms > at_ms
    }


def _door(facts: DeviceFacts, at_ms: int) -> Claim | None:
    known = _known(facts, ("bolt", "leaf", "mode"), at_ms)
    if not known:
        return None
    jammed = "bolt" in known and known["bolt"].value == "jammed"
    return _claim(known, at_ms, "down" if jammed else "up")


def _open(facts: DeviceFacts, at_ms: int) -> Claim | None:
    said = _door(facts, at_ms)
    shut = facts.get("mode")
    if said is not None and shut is not None and shut.value in SHUT_MODES and shut.valid_until_ms > at_ms:
        return said._replace(verdict="down")
    return said


def _seats(facts: DeviceFacts, at_ms: int) -> Claim | None:
    known = _known(facts, ("people",), at_ms)
    return _claim(known, at_ms, "up") if known else None


def _batteries(facts: DeviceFacts, at_ms: int) -> Claim | None:
    known = _known(facts, ("full_batteries",), at_ms)
    if not known:
        return None
    some = known["full_batteries"].value
    return _claim(known, at_ms, "up" if isinstance(some, int) and some > 0 else "down")


def _water(facts: DeviceFacts, at_ms: int) -> Claim | None:
    known = _known(facts, ("water",), at_ms)
    return _claim(known, at_ms, "down" if known["water"].value in NO_WATER else "up") if known else None


def _claim(known: Mapping[str, StationFact], at_ms: int, verdict: Verdict) -> Claim:
    return Claim(at_ms, max(fact.valid_until_ms for fact in known.values()), verdict)


_JUDGES: Final[Mapping[str, Mapping[Amenity, _Judge]]] = {
    "door": {"open": _open, "door": _door},
    "occupancy": {"seats": _seats},
    "cabinet": {"batteries": _batteries},
    "water": {"water": _water},
}
