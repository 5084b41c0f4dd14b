"""How a telemetry message is written in InfluxDB's line protocol: one point, and one for each part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from devices.kind import ColumnType, Metric
from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId
from storage.series_row import SeriesRow
from storage.texts import json_text

BESIDES: Final = ("boot", "seq", "received_ms", "device_ts_ms", "extra")
"""Fields that stand beside the metrics; the tables of SQL have taken these names, too."""
NS_PER_MS: Final = 1_000_000
EARLIEST_MS: Final = -9_223_372_036_854
LATEST_MS: Final = 9_223_372_036_853
"""Beyond these InfluxDB cannot count."""


class Shape(NamedTuple):
    """The measurements of one kind, and how its metrics are written."""

    own: str
    part: str | None
    writers: Mapping[str, Callable[[Value], str]]
    part_writers: Mapping[str, Callable[[Value], str]]


@cache
def shape_of(kind: str) -> Shape:
    """The shape of a registered kind; KeyError for another."""
    declared = kinds()[kind]
    part = None if declared.parts is None else f"{kind}_{declared.parts.name}"
    return Shape(kind, part, _writers(declared.metrics), _writers(declared.part_metrics))


def time_ns(at_ms: int, seq: int) -> int:
    """The time of a point: a message sent twice is one point, two of the same millisecond are two."""
    return at_ms * NS_PER_MS + seq % NS_PER_MS


def lines(adcode: str, row: SeriesRow) -> list[str]:
    """The points of one message. Numbers get their declared types; what has no value is left out.

    Tags are the division, the station, the device's number and the part; never a person or an order.
    """
    station, kind, n = row.device
    shape = shape_of(kind)
    at_ns = time_ns(row.at_ms, row.seq)
    tags = f"adcode={adcode},device={n}"
    place = f"station={station}"
    who = f"boot={_text(row.boot)},seq={row.seq}i"
    own = [who, f"received_ms={row.received_ms}i"]
    if row.device_ts_ms is not None:
        own.append(f"device_ts_ms={row.device_ts_ms}i")
    if row.extra:
        own.append(f"extra={_text(json_text(row.extra))}")
    _add(own, shape.writers, row.fields)
    made = [f"{shape.own},{tags},{place} {','.join(own)} {at_ns}"]
    if shape.part is not None:
        for part, values in row.parts.items():
            said = [who]
            _add(said, shape.part_writers, values)
            made.append(f"{shape.part},{tags},part={part},{place} {','.join(said)} {at_ns}")
    return made


def adcode_of(device: DeviceId, topic: str) -> str:
    """The division in the topic, or the one in the station's name where there is no topic."""
    levels = topic.split("/", 2)
    return levels[1] if len(levels) == 3 else device.station[:6]


def _add(into: list[str], writers: Mapping[str, Callable[[Value], str]], values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        if value is not None:
            write = writers.get(name)
            if write is not None:
                into.append(f"{name}={write(value)}")


def _text(value: Value) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _float(value: Value) -> str:
    return repr(float(value or 0.0))


def _int(value: Value) -> str:
    return f"{int(value or 0)}i"


def _bool(value: Value) -> str:
    return "t" if value else "f"


_WRITERS: Final[Mapping[ColumnType, Callable[[Value], str]]] = {
    "float": _float,
    "int": _int,
    "bool": _bool,
    "str": _text,
}


def _writers(metrics: Mapping[str, Metric]) -> dict[str, Callable[[Value], str]]:
    return {name: _WRITERS[metric.type] for name, metric in metrics.items()}
