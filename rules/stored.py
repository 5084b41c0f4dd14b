"""What was kept of a station: messages, devices, the runs of its speakers; and the alerts found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devices.kind import Kind
from devices.state import SELF
from domain.facts import Value
from domain.ids import DeviceId
from rules.effects import OpenAlert, Reason
from rules.station_view import StationInfo


class StoredMessage(NamedTuple):
    """A report or, with `event`, an event of `part`, as it was kept. `at_ms` is when it counts.

    A field that was reported as null is either None here or absent, as the storage knew it. They come in
    the order of `received_ms`.
    """

    received_ms: int
    seq: int
    device: DeviceId
    speaker: DeviceId
    boot: str
    at_ms: int
    device_ts_ms: int | None
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]]
    event: str | None = None
    part: int = SELF
    body: Mapping[str, Any] = {}


class StoredDevice(NamedTuple):
    """A registered device: who it is and who speaks for it."""

    device: DeviceId
    kind: Kind
    speaker: DeviceId


@dataclass(frozen=True, slots=True)
class StoredStation:
    """A station whose messages are judged again. `names`: Chinese and English.

    `boots` tells when each run of a speaker began, for those that are still remembered. Without `info`, its
    entry in the ledger, nothing is known of hours, emptiness and capacity.
    """

    id: str
    adcode: str
    names: tuple[str, str]
    devices: tuple[StoredDevice, ...]
    boots: Mapping[tuple[DeviceId, str], int] = field(default_factory=dict)
    info: StationInfo | None = None


class Episode(NamedTuple):
    """An alert from its begin to its end; `ended_ms` None: it was still open at the end of the period."""

    alert: OpenAlert
    ended_ms: int | None
    reason: Reason | None
    flaps: int


class Reset(NamedTuple):
    """A person ended an alert."""

    at_ms: int
    device: DeviceId
    part: int
    code: str
