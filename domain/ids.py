"""Names of stations, devices and speakers, and what a name may hold."""

from __future__ import annotations

import re
from typing import NamedTuple

SPEAKER_KIND = "station"
"""The kind of a station's edge box when it speaks for all devices: `station/0`."""

_STATION = re.compile(r"[0-9]{6}-[0-9A-Za-z]{1,16}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ADCODE = re.compile(r"[0-9]{6}")


class DeviceId(NamedTuple):
    """One device, or one speaker: `331002-0001/door_lock/1`, `331002-0001/station/0`."""

    station: str
    kind: str
    n: int

    def __str__(self) -> str:
        return f"{self.station}/{self.kind}/{self.n}"

    @property
    def short(self) -> str:
        """The name within its station: `door_lock/1`."""
        return f"{self.kind}/{self.n}"


def edge_box(station: str) -> DeviceId:
    """The speaker that carries all devices of a station."""
    return DeviceId(station, SPEAKER_KIND, 0)


def is_station_id(text: str) -> bool:
    """True for `331002-0001`: six digits of the division, a dash, a serial."""
    return _STATION.fullmatch(text) is not None


def is_adcode(text: str) -> bool:
    """True for a six-digit division code (GB/T 2260)."""
    return _ADCODE.fullmatch(text) is not None


def is_kind(text: str) -> bool:
    """True for a lower-case name such as `door_lock`."""
    return _KIND.fullmatch(text) is not None


def parse_device_id(text: str) -> DeviceId:
    """Read `331002-0001/door_lock/1`; raise ValueError with a sentence."""
    parts = text.split("/")
    if len(parts) == 3 and is_station_id(parts[0]) and is_kind(parts[1]) and parts[2].isdecimal():
        return DeviceId(parts[0], parts[1], int(parts[2]))
    raise ValueError(f"{text!r} is not a device name like 331002-0001/door_lock/1")
