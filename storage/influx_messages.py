"""Puts messages together again out of the single values that InfluxDB answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId
from storage.influx_answer import Row
from storage.influx_points import BESIDES, NO_CLOCK, NS_PER_MS, seq_of, shape_of
from storage.series import Reading

Fields = dict[str, Value]
WHOSE: Final = '|> keep(columns: ["_time", "_value", "_field", "_measurement", "station", "device", "part"])'
"""The columns that are needed for it, as a step of a Flux query."""


class StoredMessage(NamedTuple):
    """A reading, and what else is kept of it: `device_ts_ms` and `extra`."""

    reading: Reading
    beside: Mapping[str, Value]


class _Heard(NamedTuple):
    own: dict[int, Fields]
    parts: dict[int, dict[int, Fields]]


def put_together(rows: Iterable[Row]) -> dict[DeviceId, list[StoredMessage]]:
    """The messages of each device in order of time, from rows in any order; what is not ours is left out."""
    heard: dict[DeviceId, _Heard] = {}
    series: dict[tuple[str, str, str], tuple[_Heard, bool] | None] = {}
    for at_ns, value, field, part, station, measurement, device in rows:
        key = (station, measurement, device)
        if key not in series:
            series[key] = _place(heard, *key)
        place = series[key]
        if place is None:
            continue
        of, is_part = place
        if not is_part:
            fields = of.own.get(at_ns)
            if fields is None:
                fields = of.own[at_ns] = {}
            fields[field] = value
        else:
            fields = of.parts.setdefault(at_ns, {}).setdefault(part, {})
            if field not in BESIDES:
                fields[field] = value
    return {device: _messages(found) for device, found in heard.items()}


def _place(
    heard: dict[DeviceId, _Heard], station: str, measurement: str, device: str
) -> tuple[_Heard, bool] | None:
    known = _measurements().get(measurement)
    if known is None or not device.isdecimal():
        return None
    kind, is_part = known
    return heard.setdefault(DeviceId(station, kind, int(device)), _Heard({}, {})), is_part


@cache
def _measurements() -> Mapping[str, tuple[str, bool]]:
    found = {}
    for kind in kinds():
        shape = shape_of(kind)
        found[shape.own] = (kind, False)
        if shape.part is not None:
            found[shape.part] = (kind, True)
    return found


def _messages(heard: _Heard) -> list[StoredMessage]:
    made = []
    for at_ns, fields in heard.own.items():
        boot, seq = fields.pop("boot", None), fields.pop("seq", seq_of(at_ns))
        received_ms = fields.pop("received_ms", None)
        if not isinstance(boot, str) or not isinstance(seq, int) or not isinstance(received_ms, int):
            continue  # not written by us
        at_ms = at_ns // NS_PER_MS
        fields.setdefault("device_ts_ms", at_ms)
        beside: Fields = {name: fields.pop(name) for name in BESIDES if name in fields}
        if beside["device_ts_ms"] == NO_CLOCK:
            del beside["device_ts_ms"]
        reading = Reading(at_ms, received_ms, boot, seq, fields, heard.parts.get(at_ns, {}))
        made.append(StoredMessage(reading, beside))
    made.sort(key=lambda one: (one.reading.at_ms, one.reading.seq))
    return made
