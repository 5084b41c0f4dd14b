"""What a station's devices say of their station, kept in one row that anybody may read."""

from __future__ import annotations

from typing import Any

from domain.facts import StationFact, Value
from domain.ids import DeviceId, edge_box
from gateway.alerts import take_effects
from gateway.fleet import Fleet, LinkState, Member, StationRecord
from gateway.overlay import Overlay
from rules.rule import CLOCK_FAULT
from rules.watch import Watcher

DeviceFacts = dict[str, StationFact]
NOTHING: DeviceFacts = {}


def refresh(overlay: Overlay, fleet: Fleet, watcher: Watcher) -> None:
    """Decide which stations get a new row, and let station rules look at those that changed.

    A row is written when a value changed, or when less than half of a claim's validity is left.
    """
    judged = set(overlay.heard)
    for device in overlay.exports:
        member = fleet.members[device]
        record = fleet.stations[device.station]
        known = record.facts.get(device.short, NOTHING)
        facts = _facts_of(overlay, member)
        moved, shown = _differ(member, known, facts)
        if not moved and newest_ms(facts) < half_life_ms(known):
            continue
        overlay.facts.setdefault(record.id, dict(record.facts))[device.short] = facts
        if moved:
            judged.add(record.id)
        if shown or not moved:
            overlay.news.add(record.id)
    for station in (judged | overlay.stations) & fleet.stations.keys():
        record = fleet.stations[station]
        _station_rules(overlay, watcher, record, overlay.facts.get(station, record.facts))
    # What station rules decided may change what a row says, too.
    overlay.news.update(overlay.stations & fleet.stations.keys())


def _differ(member: Member, known: DeviceFacts, facts: DeviceFacts) -> tuple[bool, bool]:
    """Whether any value differs, and whether one does that is shown."""
    moved = False
    for export in member.kind.exports:
        old, new = known.get(export.name), facts.get(export.name)
        if (old is None) != (new is None) or (old is not None and new is not None and old.value != new.value):
            moved = True
            if export.shown:
                return True, True
    return moved, False


def shown_facts(record: StationRecord, facts: dict[str, DeviceFacts]) -> dict[str, DeviceFacts]:
    """The facts that a row tells, without those that only rules look at."""
    shown: dict[str, DeviceFacts] = {}
    for member in record.members:
        own = facts.get(member.device.short)
        if own is not None:
            shown[member.device.short] = {
                e.name: own[e.name] for e in member.kind.exports if e.shown and e.name in own
            }
    return shown


def newest_ms(facts: DeviceFacts) -> int:
    """The age of the newest fact; by device time, so that a backlog does not make every report news."""
    return max((f.as_of_ms for f in facts.values()), default=0)


def half_life_ms(facts: DeviceFacts) -> int:
    """When less than half of the shortest validity is left, by the facts' own times."""
    return min((f.as_of_ms + (f.valid_until_ms - f.as_of_ms) // 2 for f in facts.values()), default=2**62)


def lockdown_of(overlay: Overlay, fleet: Fleet, station: str) -> dict[str, Any] | None:
    """The open alert that keeps people out of a station, oldest first."""
    reasons: list[dict[str, Any]] = [
        {"code": opened.effect.code, "since_ms": opened.effect.happened_ms}
        for key, opened in overlay.opened.items()
        if key.device.station == station and opened.effect.refuse_entry
    ]
    ended = {e.key for e in overlay.ended} | set(overlay.forgotten)
    for key in fleet.alerts_of.get(station, ()):
        note = fleet.open_alerts[key]
        if note.refuse_entry and key not in ended:
            reasons.append({"code": key.code, "since_ms": note.happened_ms})
    return min(reasons, key=lambda r: r["since_ms"], default=None)


def codes_of(overlay: Overlay, fleet: Fleet, station: str) -> list[str]:
    """Codes of a station's open alerts: a stuck counter must not say that the room is full."""
    codes = {key.code for key in overlay.opened if key.device.station == station}
    ended = {e.key for e in overlay.ended} | set(overlay.forgotten)
    codes.update(key.code for key in fleet.alerts_of.get(station, ()) if key not in ended)
    return sorted(codes)


def links_of(overlay: Overlay, record: StationRecord) -> dict[str, tuple[LinkState, int]]:
    """Link state and since when, of every speaker of a station."""
    links = {}
    for id_ in {edge_box(record.id), *(m.speaker for m in record.members)}:
        if id_ in overlay.fleet.speakers:
            speaker = overlay.speaker(id_)
            links[id_.short] = (speaker.link, speaker.link_changed_ms)
    return links


def by_role(record: StationRecord, facts: dict[str, DeviceFacts], now_ms: int) -> dict[str, Value]:
    """`door.leaf`, `occupancy.people`, …: what is still valid, of the first device that plays the role."""
    found: dict[str, Value] = {}
    for member in record.members:
        own = facts.get(member.device.short)
        if own is None:
            continue
        for export in member.kind.exports:
            fact = own.get(export.name)
            name = f"{export.role}.{export.name}"
            if (
                fact is not None
                and fact.value is not None
                and now_ms < fact.valid_until_ms
                and name not in found
            ):
                found[name] = fact.value
    return found


def _facts_of(overlay: Overlay, member: Member) -> DeviceFacts:
    state = overlay.state(member.device)
    facts: DeviceFacts = {}
    for export in member.kind.exports:
        read = export.read(state, overlay.now_ms)
        if read is not None:
            value, as_of_ms = read
            facts[export.name] = StationFact(value, as_of_ms, as_of_ms + export.fresh_s * 1000)
    return facts


def _station_rules(
    overlay: Overlay, watcher: Watcher, record: StationRecord, facts: dict[str, DeviceFacts]
) -> None:
    device: DeviceId = edge_box(record.id)
    values = by_role(record, facts, overlay.now_ms)
    state = overlay.state_for_change(device)
    values[CLOCK_FAULT] = state.clock_fault
    speaker = overlay.speaker(device)
    boot = overlay.boots.get((device, speaker.boot)) if speaker.boot is not None else None
    if boot is not None:
        state.seen_ms = boot.seen_ms
    effects = watcher.station(device, state, values, overlay.now_ms, overlay.open_codes(record.id))
    take_effects(overlay, device, effects, record.adcode)
    overlay.look_again.add(device)
