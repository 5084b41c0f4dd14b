"""Devices of a station: whether they are heard, and all that they last said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from api import shapes
from api.asking import STATION, KindPath, NumberPath, StationPath
from api.caller import Caller, needs
from api.lock import judged
from api.problems import declared, not_found
from api.state import Hub
from api.times import text_of
from devices.kind import Kind, Metric
from devices.registry import kinds
from devices.state import SELF
from devices.state import DeviceState as State
from domain.errors import NotFound
from domain.facts import Facts
from domain.ids import DeviceId
from rules.liveness import FUNCTION_MS, data_state, function_state
from storage import registry, states, stations
from storage.registry import Device
from storage.states import SpeakerRow
from storage.told import last_told

router = APIRouter(prefix="/api/v1", tags=["devices"])
Reader = Annotated[Caller, needs("devices:read")]


@router.get("/devices", response_model=shapes.DeviceList, responses=declared(401, 403, 404, 422, 503))
def list_devices(
    hub: Hub, caller: Reader, station: Annotated[str, Query(pattern=STATION, examples=["331002-0001"])]
) -> dict[str, Any]:
    """The devices of a station, in the order of their names."""
    now_ms = hub.clock.now_ms()
    with hub.db.read() as conn:
        see_station(conn, caller, station)
        speakers = {row.speaker: row for row in states.load_speakers(conn, station)}
        heard = {row.device: row.seen_ms for row in states.states_of(conn, station)}
        devices = registry.list_devices(conn, area=station)
    return {"items": [_device(one, speakers.get(one.speaker), heard.get(one.id), now_ms) for one in devices]}


@router.get(
    "/devices/{station_id}/{kind}/{n}",
    response_model=shapes.DeviceState,
    responses=declared(401, 403, 404, 422, 503),
)
def get_device(
    hub: Hub, caller: Reader, station_id: StationPath, kind: KindPath, n: NumberPath
) -> dict[str, Any]:
    """One device with every field: its value, its unit, when it was true, and until when it counts."""
    now_ms = hub.clock.now_ms()
    id_ = DeviceId(station_id, kind, n)
    with hub.db.read() as conn:
        see_station(conn, caller, station_id)
        device = registry.get_device(conn, id_)
        row = states.get_state(conn, id_)
        told = last_told(conn, id_, now_ms - FUNCTION_MS)
        speakers = {one.speaker: one for one in states.load_speakers(conn, station_id)}
    declared_kind = kinds().get(kind)
    if declared_kind is None:
        raise not_found(f"kind {kind}")
    state = State.from_json(row.state, row.ages) if row else State()
    body = _device(device, speakers.get(device.speaker), row.seen_ms if row else None, now_ms)
    parts = {str(part): facts for part, facts in sorted(state.parts.items()) if part != SELF}
    return {
        **body,
        "data": data_state(declared_kind, state, now_ms),
        "function": function_state(told, now_ms),
        "clock_fault": state.clock_fault,
        "fields": _fields(declared_kind, state.own, in_part=False),
        "parts": {name: _fields(declared_kind, facts, in_part=True) for name, facts in parts.items()},
    }


def see_station(conn: Connection, caller: Caller, station_id: str) -> None:
    """Raise the same NotFound for a station that is not there and for one that is not theirs."""
    try:
        seen = caller.sees(stations.get_station(conn, station_id))
    except NotFound:
        seen = False
    if not seen:
        raise not_found(f"station {station_id}")


def _device(device: Device, speaker: SpeakerRow | None, heard_ms: int | None, now_ms: int) -> dict[str, Any]:
    return {
        "id": str(device.id),
        "station": device.id.station,
        "kind": device.id.kind,
        "n": device.id.n,
        "label": device.label,
        "label_en": device.label_en,
        "speaker": device.speaker.short,
        "link": judged(speaker, heard_ms, device.id.kind, now_ms),
        "link_since": text_of(speaker.link_changed_ms) if speaker else None,
        "seen": text_of(heard_ms),
    }


def _fields(kind: Kind, facts: Facts, *, in_part: bool) -> dict[str, Any]:
    metrics: dict[str, Metric] = dict(kind.part_metrics if in_part else kind.metrics)
    derived = (kind.parts.derived if kind.parts else ()) if in_part else kind.derived
    sources = {one.name: one.source for one in derived}
    told = {}
    for name, value in facts.values.items():
        as_of_ms = facts.as_of(sources.get(name, name))
        valid_ms = None if as_of_ms is None else as_of_ms + kind.fresh_s(name, in_part) * 1000
        metric = metrics.get(name)
        told[name] = {
            "value": value,
            "unit": metric.unit if metric else None,
            "as_of": text_of(as_of_ms),
            "valid_until": text_of(valid_ms),
        }
    return told
