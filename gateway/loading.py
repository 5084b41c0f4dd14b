"""Fill the fleet from the database: at the start, and again when the registry has changed."""

from __future__ import annotations

from sqlalchemy import Connection

from devices.fold import apply
from devices.registry import kinds
from devices.state import DeviceState
from domain import topics
from domain.facts import Mark, StationFact
from domain.ids import DeviceId, edge_box
from gateway.fleet import AlertKey, Boot, Fleet, Member, OpenAlertNote, Route, Speaker, StationRecord
from gateway.unwritten import Since, Unwritten
from rules.station_facts import half_life_ms
from rules.station_view import StationInfo
from storage import alerts, availability, registry, states
from storage.database import Database
from storage.inflow import Inflow
from storage.states import AgesRow
from storage.stations import Station


def load_fleet(database: Database, series: Inflow, fleet: Fleet, now_ms: int) -> None:
    """Read who exists and what is known. Devices of a kind that this program does not know are left out."""
    with database.read() as connection:
        known = registry.load(connection)
        fleet.registry_version = known.version
        _load_registry(fleet, known)
        for row in states.load_states(connection):
            if row.device in fleet.members or row.device.kind == "station":
                fleet.states[row.device] = DeviceState.from_json(row.state)
        for younger in states.load_ages(connection):
            _grow_younger(fleet, younger)
        _find_routes(fleet)
        current: dict[DeviceId, str | None] = {}
        for word in states.load_speakers(connection):
            current[word.speaker] = word.boot
            speaker = fleet.speakers.get(word.speaker)
            if speaker is not None:
                speaker.link = word.link
                speaker.link_changed_ms = word.link_changed_ms or 0
                speaker.conn = -1 if word.conn is None else word.conn
                speaker.dropped = word.dropped
                speaker.versions = dict(word.versions)
                speaker.seen_ms = word.seen_ms
        for run in states.load_boots(connection):
            speaker = fleet.speakers.get(run.speaker)
            if speaker is not None:
                boot = speaker.boots[run.boot] = Boot(
                    speaker,
                    run.boot,
                    run.since_ms,
                    run.watermark,
                    run.newest_ts_ms,
                    run.offset_ms,
                    run.updated_ms,
                )
                speaker.seen_ms = max(speaker.seen_ms or 0, run.updated_ms)
                if current.get(speaker.id) == run.boot:
                    speaker.current = boot
        _meet_readings(connection, series, fleet, now_ms)
        for open_ in alerts.all_open(connection):
            key = AlertKey(open_.device, open_.part, open_.code)
            fleet.note_opened(
                key, OpenAlertNote(open_.id, open_.refuse_entry, open_.safety, open_.happened_ms)
            )
        for station in availability.load_all(connection):
            record = fleet.stations.get(station.station)
            if record is not None:
                record.facts = {
                    device: {name: StationFact(*fact) for name, fact in facts.items()}
                    for device, facts in station.facts["devices"].items()
                }
                for member in record.members:
                    state, told = fleet.states.get(member.device), record.facts.get(member.device.short)
                    if state is not None and told:
                        state.refresh_at_ms = half_life_ms(told)
                codes = {key.code for key in fleet.alerts_of.get(record.id, ())}
                if station.facts.get("alerts") != sorted(codes):
                    fleet.outdated.add(record.id)
    _forget_what_is_closed(fleet)


def _meet_readings(connection: Connection, series: Inflow, fleet: Fleet, now_ms: int) -> None:
    """Rows of states and boots may be a minute old: the readings kept since tell what they lack."""
    fleet.unwritten = Unwritten()
    since = Since(now_ms, 0)
    heard: dict[Boot, list[int]] = {}
    for kind in {member.kind.name for member in fleet.members.values()}:
        for said in series.said_since(connection, kind):
            member, state = fleet.members.get(said.device), fleet.states.get(said.device)
            if member is None:
                continue
            speaker = fleet.speakers[member.speaker]
            boot = speaker.boots.get(said.boot)
            if boot is None:
                continue
            if said.seq > boot.watermark.upto:
                heard.setdefault(boot, []).append(said.seq)
            boot.seen_ms = max(boot.seen_ms, said.received_ms)
            speaker.seen_ms = max(speaker.seen_ms or 0, said.received_ms)
            if state is not None:
                mark = Mark(boot.since_ms, said.seq, said.at_ms)
                if said.parts:
                    apply(member.kind, state, None, said.fields, said.parts, mark)
                    fleet.unwritten.parts[said.device] = since
                own = state.own
                same = [name for name, value in said.fields.items() if own.values.get(name) == value]
                own.age(same, mark)
                fleet.unwritten.ages[said.device.station] = since
                state.seen_ms = max(state.seen_ms or 0, said.received_ms)
    for boot, numbers in heard.items():
        boot.written, fleet.unwritten.boots[boot] = False, since
        for seq in sorted(numbers):
            if not boot.watermark.has(seq):
                boot.watermark.add(seq, boot.watermark.upto + 1)


def _load_registry(fleet: Fleet, known: registry.Registry) -> None:
    fleet.stations.clear()
    fleet.members.clear()
    fleet.speakers.clear()
    fleet.open_alerts.clear()
    fleet.alerts_of.clear()
    fleet.routes.clear()
    fleet.outdated.clear()
    for station in known.stations.values():
        names = (station.name, station.name_en or station.name)
        # A station always has a box to speak of, even if no device uses it: station rules watch it.
        box = edge_box(station.id)
        fleet.stations[station.id] = StationRecord(
            station.id, station.adcode, names, speakers=[box], info=_info_of(station)
        )
        fleet.speakers[box] = Speaker(box, station.adcode)
    for device in known.devices.values():
        kind = kinds().get(device.id.kind)
        record = fleet.stations.get(device.id.station)
        if kind is None or record is None:
            continue
        member = Member(device.id, kind, device.speaker, record.adcode)
        fleet.members[device.id] = member
        record.members.append(member)
        if device.speaker not in fleet.speakers:
            fleet.speakers[device.speaker] = Speaker(device.speaker, record.adcode)
        if device.speaker not in record.speakers:
            record.speakers.append(device.speaker)
    for record in fleet.stations.values():
        record.members.sort(key=lambda m: m.device)


def _grow_younger(fleet: Fleet, row: AgesRow) -> None:
    record = fleet.stations.get(row.station)
    for device in (edge_box(row.station), *(member.device for member in (record.members if record else ()))):
        state, ages = fleet.states.get(device), row.ages.get(device.short)
        if state is not None and ages is not None:
            state.grow_younger(ages)


def _find_routes(fleet: Fleet) -> None:
    for device, member in fleet.members.items():
        state = fleet.states.setdefault(device, DeviceState())
        fleet.routes[topics.telemetry(member.adcode, device)] = Route(
            member, fleet.speakers[member.speaker], state, member.kind.said_before.find
        )


def _info_of(station: Station) -> StationInfo:
    return StationInfo(
        id=station.id,
        adcode=station.adcode,
        hours=station.hours or "",
        night_hours=station.night_hours,
        capacity=station.capacity,
        status=station.status,
    )


def _forget_what_is_closed(fleet: Fleet) -> None:
    """A person may have ended an alert while no gateway ran: its watch must not think that it is open."""
    for device, state in fleet.states.items():
        for name, entry in list(state.watch.items()):
            part, _, code = name.partition("/")
            if (
                entry["s"] in ("firing", "clearing")
                and AlertKey(device, int(part), code) not in fleet.open_alerts
            ):
                del state.watch[name]
