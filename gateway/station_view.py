"""What a station's devices say of their station, kept in one row that anybody may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.ids import DeviceId, edge_box
from gateway.alerts import take_effects
from gateway.fleet import Fleet, LinkState, StationRecord
from gateway.overlay import Overlay
from rules.premises import premises, surely_empty
from rules.rule import CLOCK_FAULT
from rules.station_facts import DeviceFacts, by_role, differ, facts_of, wants_renewal
from rules.watch import Watcher

NOTHING: DeviceFacts = {}


def refresh(overlay: Overlay, fleet: Fleet, watcher: Watcher) -> None:
    """Decide which stations get a new row, and let station rules look at those that changed.

    A row is written when a value changed, or when less than half of a claim's validity is left. It then
    tells of all devices as young as they are: otherwise each of them would have it written once more.
    """
    judged = set(overlay.heard)
    renewed = set()
    told: dict[DeviceId, DeviceFacts] = {}
    for device in overlay.exports:
        member = fleet.members[device]
        record = fleet.stations[device.station]
        known = record.facts.get(device.short, NOTHING)
        facts = told[device] = facts_of(member.kind, overlay.state(device), overlay.now_ms)
        moved, shown = differ(member.kind, known, facts)
        due = wants_renewal(known, facts)
        if not moved and not due:
            continue
        if due:
            renewed.add(record.id)
        if not shown and not due:
            # What the row tells keeps its age here as well, or its renewal would be put off again and again.
            facts = {**facts, **{name: known[name] for name in member.kind.shown if name in known}}
        overlay.facts.setdefault(record.id, dict(record.facts))[device.short] = facts
        if moved:
            judged.add(record.id)
        if shown or due:
            overlay.news.add(record.id)
    for station in renewed:
        _renew(overlay, fleet.stations[station], judged, told)
    for station in (judged | overlay.stations) & fleet.stations.keys():
        record = fleet.stations[station]
        station_rules(overlay, fleet, watcher, record)
    # What station rules decided may change what a row says, too.
    overlay.news.update(overlay.stations & fleet.stations.keys())


def _renew(
    overlay: Overlay, record: StationRecord, judged: set[str], told: Mapping[DeviceId, DeviceFacts]
) -> None:
    renewed = overlay.facts[record.id]
    for device, kind, _, _ in record.members:
        name, facts = device.short, told.get(device)
        if facts is None:
            facts = facts_of(kind, overlay.state(device), overlay.now_ms)
            if differ(kind, record.facts.get(name, NOTHING), facts)[0]:
                judged.add(record.id)
            overlay.exports.add(device)
        if facts:
            renewed[name] = facts


def shown_facts(record: StationRecord, facts: dict[str, DeviceFacts]) -> dict[str, DeviceFacts]:
    """The facts that a row tells, without those that only rules look at."""
    shown: dict[str, DeviceFacts] = {}
    for device, kind, _, _ in record.members:
        short = device.short
        own = facts.get(short)
        if own is not None:
            shown[short] = {name: own[name] for name in kind.shown if name in own}
    return shown


def lockdown_of(overlay: Overlay, fleet: Fleet, station: str) -> dict[str, Any] | None:
    """The open alert that keeps people out of a station, oldest first."""
    if not overlay.opened and station not in fleet.alerts_of:
        return None
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
    if not overlay.opened and station not in fleet.alerts_of:
        return []
    codes = {key.code for key in overlay.opened if key.device.station == station}
    ended = {e.key for e in overlay.ended} | set(overlay.forgotten)
    codes.update(key.code for key in fleet.alerts_of.get(station, ()) if key not in ended)
    return sorted(codes)


def links_of(overlay: Overlay, record: StationRecord) -> dict[str, tuple[LinkState, int]]:
    """Link state and since when, of every speaker of a station."""
    links = {}
    for id_ in record.speakers:
        speaker = overlay.speaker(id_)
        links[id_.short] = (speaker.link, speaker.link_changed_ms)
    return links


def station_rules(overlay: Overlay, fleet: Fleet, watcher: Watcher, record: StationRecord) -> None:
    """Let the rules over a station look at what its devices say and at what the hub knows, as of now."""
    device: DeviceId = edge_box(record.id)
    facts = _facts_now(overlay, record)
    values = by_role(record.members, facts, overlay.now_ms)
    state = overlay.state_for_change(device)
    values[CLOCK_FAULT] = state.clock_fault
    if record.info is not None and record.members:
        known = premises(
            record.info,
            fleet.timetables,
            record.members,
            facts,
            overlay.now_ms,
            alarm=_alarm(overlay, fleet, record.id),
            caught_up=overlay.caught_up,
        )
        values.update(known.values)
        # Emptiness that ends by silence matters only while a rule waits for something.
        ends_ms = known.ends_ms if state.watch else None
        wakes = [ms for ms in (known.next_ms, ends_ms) if ms is not None]
        if wakes:
            overlay.wakes[device] = min(wakes)
    boot = overlay.speaker(device).current
    if boot is not None and boot in overlay.boots:
        state.seen_ms = boot.seen_ms
    effects = watcher.station(device, state, values, overlay.now_ms, overlay.open_codes(record.id))
    take_effects(overlay, device, effects, record.adcode)
    overlay.look_again.add(device)


def is_surely_empty(overlay: Overlay, record: StationRecord) -> bool:
    """True only while nothing old is still to come and every people counter says so itself."""
    facts = overlay.facts.get(record.id, record.facts)
    return overlay.caught_up and surely_empty(record.members, facts, overlay.now_ms).sure


def _facts_now(overlay: Overlay, record: StationRecord) -> dict[str, DeviceFacts]:
    """With what this batch brought, also before `refresh` has looked at it."""
    facts = overlay.facts.get(record.id)
    if facts is not None:
        return facts
    news = [member for member in record.members if member.device in overlay.exports]
    told = {
        member.device.short: facts_of(member.kind, overlay.state(member.device), overlay.now_ms)
        for member in news
    }
    return {**record.facts, **told} if told else record.facts


def _alarm(overlay: Overlay, fleet: Fleet, station: str) -> bool:
    if any(key.device.station == station and one.effect.safety for key, one in overlay.opened.items()):
        return True
    return any(
        fleet.open_alerts[key].safety and overlay.alert_is_open(key)
        for key in fleet.alerts_of.get(station, ())
    )
