"""One telemetry message as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.facts import Value
from domain.ids import DeviceId


class SeriesRow(NamedTuple):
    """A telemetry message: `fields` of the device, of each of its `parts`, and `extra` as it was sent.

    `at_ms` is when it counts, `device_ts_ms` what the device said. Values must have the declared type.
    """

    device: DeviceId
    speaker: DeviceId
    boot: str
    seq: int
    at_ms: int
    device_ts_ms: int | None
    received_ms: int
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]]
    extra: Mapping[str, Any]
    topic: str = ""
    payload: bytes = b""
    """As it came."""
