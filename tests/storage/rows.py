"""Rows as tests need them, with everything that does not matter filled in."""

from __future__ import annotations

from typing import Any

from domain.ids import DeviceId, edge_box
from domain.watermark import Watermark
from storage.alerts import NewAlert
from storage.events import EventRow
from storage.quarantine import BadRow
from storage.series_row import SeriesRow
from storage.states import BootRow
from storage.stations import Station

STATION = "331002-0001"
LOCK = DeviceId(STATION, "door_lock", 1)
CABINET = DeviceId(STATION, "swap_cabinet", 1)
SENSOR = DeviceId(STATION, "occupancy_sensor", 1)
BOX = edge_box(STATION)
NOON_MS = 1_774_929_600_000


def station(id: str = STATION, **values: Any) -> Station:  # noqa: A002
    return Station(
        **{"id": id, "adcode": id[:6], "area": "", "number": id[7:], "name": f"驿站 {id}", **values}
    )


def reading(device: DeviceId = SENSOR, seq: int = 1, at_ms: int = NOON_MS, **values: Any) -> SeriesRow:
    parts, extra = values.pop("parts", {}), values.pop("extra", {})
    return SeriesRow(device, BOX, "boot1", seq, at_ms, at_ms - 5, at_ms, values, parts, extra)


def boot_of(station: str = STATION, since_ms: int = NOON_MS - 86_400_000) -> BootRow:
    """What is known of the run of a station's edge box, after which its readings are looked for."""
    return BootRow(edge_box(station), "b1", since_ms, None, None, Watermark(), since_ms)


def event(device: DeviceId = LOCK, seq: int = 1, at_ms: int = NOON_MS, **values: Any) -> EventRow:
    given: dict[str, Any] = {"type": "opened", "part": 0, "body": {}, "boot": "boot1", **values}
    return EventRow(
        device=device, speaker=BOX, seq=seq, at_ms=at_ms, device_ts_ms=at_ms, received_ms=at_ms, **given
    )


def alert(id: str = "a1", device: DeviceId = CABINET, **values: Any) -> NewAlert:  # noqa: A002
    given: dict[str, Any] = {
        "part": 3,
        "adcode": device.station[:6],
        "code": "battery_hot",
        "severity": "major",
        "safety": False,
        "rulebook_version": 1,
        "latched": False,
        "happened_ms": NOON_MS,
        "learned_ms": NOON_MS + 10,
        "refuse_entry": False,
        "values": {"temp_c": 61.5, "door": "closed", "charger_on": True, "battery": None},
        "text_zh": "3 号仓过热",
        "text_en": "Slot 3 is hot",
        **values,
    }
    return NewAlert(id=id, device=device, **given)


def bad(topic: str = "ws/1/2", payload: bytes = b"{", **values: Any) -> BadRow:
    given: dict[str, Any] = {
        "reason": "not_json",
        "path": "",
        "detail": "is not JSON",
        "at_ms": NOON_MS,
        **values,
    }
    return BadRow(topic=topic, payload=payload, **given)
