"""Devices by the short name that a station calls them, and the doors that come with them."""

from __future__ import annotations

from collections.abc import Iterable

from devices.registry import kinds
from domain.errors import WaystationError
from domain.ids import DeviceId, edge_box
from runtime.door_codes import new_door_code
from storage.registry import Device, Door

LOCK = "door_lock"


class BadDevice(WaystationError):
    """A device cannot be called that."""


def device_id(station: str, name: str) -> DeviceId:
    """The device that a station calls `door_lock/1`; BadDevice when there can be none."""
    kind, _, n = name.partition("/")
    if kind not in kinds():
        raise BadDevice(f"{name[:60]!r} is not a device: its kind must be one of {', '.join(kinds())}.")
    if not (n.isascii() and n.isdecimal() and len(n) <= 5 and str(int(n)) == n and n != "0"):
        raise BadDevice(f"{name[:60]!r} is not a device: it needs a number from 1, such as {kind}/1.")
    return DeviceId(station, kind, int(n))


def equipment(station: str, names: Iterable[str], now_ms: int) -> tuple[list[Device], list[Door]]:
    """Devices that speak through the station's edge box, and a new door code for each lock."""
    devices, doors = [], []
    for id_ in dict.fromkeys(device_id(station, name) for name in names):
        devices.append(Device(id_, edge_box(station), created_ms=now_ms))
        if id_.kind == LOCK:
            doors.append(Door(new_door_code(), station, id_.n, now_ms))
    return devices, doors
