"""How a telemetry message is written in InfluxDB's line protocol: one point, and one for each part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple, Protocol

from devices.kind import ColumnType, Metric
from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId
from storage.series_row import SeriesRow
from storage.texts import json_text

BESIDES: Final = ("boot", "seq", "received_ms", "device_ts_ms", "extra")
"""Fields that stand beside the metrics; the tables of SQL have taken these names, too. `seq` is written only
where the point's own time does not tell it."""
ALWAYS: Final = "received_ms"
"""A field that each device's point has, whatever the message said."""
NO_CLOCK: Final = -1
"""The `device_ts_ms` of a device that told no time; it is left out where it is the point's own."""
NS_PER_MS: Final = 1_000_000
EARLIEST_MS: Final = -9_223_372_036_854
LATEST_MS: Final = 9_223_372_036_853
"""Beyond these InfluxDB cannot count."""


class Message(Protocol):
    """What is known of a message besides its content."""

    @property
    def boot(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def received_ms(self) -> int: ...


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


def seq_of(at_ns: int) -> int:
    """The `seq` that the time of a point tells, where no field does."""
    return at_ns % NS_PER_MS


def lines(adcode: str, row: SeriesRow) -> list[str]:
    """The points of one message. Numbers get their declared types; what has no value is left out.

    Tags are the division, the station, the device's number and the part; never a person or an order.
    """
    station, kind, n = row.device
    shape = shape_of(kind)
    parts = []
    if shape.part is not None:
        parts = [(part, ",".join(_said(shape.part_writers, values))) for part, values in row.parts.items()]
    own = _said(shape.writers, row.fields)
    if row.extra:
        own.append(f"extra={_text(json_text(row.extra))}")
    return written(shape, adcode, station, n, row, row.device_ts_ms, ",".join(own), parts)


def written(
    shape: Shape,
    adcode: str,
    station: str,
    n: int | str,
    kept: Message,
    device_ts_ms: int | None,
    own: str,
    parts: Iterable[tuple[int, str]],
) -> list[str]:
    """The lines of one message from the fields of its metrics, written already."""
    at_ms, seq = kept.at_ms, kept.seq
    at_ns = time_ns(at_ms, seq)
    # A boot is letters, digits, - and _.
    beside = f'boot="{kept.boot}",{ALWAYS}={kept.received_ms}i'
    if seq >= NS_PER_MS:
        beside += f",seq={seq}i"
    if device_ts_ms != at_ms:
        beside += f",device_ts_ms={NO_CLOCK if device_ts_ms is None else device_ts_ms}i"
    if own:
        beside += "," + own
    made = [f"{shape.own},adcode={adcode},device={n},station={station} {beside} {at_ns}"]
    if parts:
        # A part of which nothing is known is there all the same.
        nothing = f"seq={seq}i"
        head = f"{shape.part},adcode={adcode},device={n},part="
        place = f",station={station} "
        made += [f"{head}{part}{place}{said or nothing} {at_ns}" for part, said in parts]
    return made


def adcode_of(device: DeviceId, topic: str) -> str:
    """The division in the topic, or the one in the station's name where there is no topic."""
    levels = topic.split("/", 2)
    return levels[1] if len(levels) == 3 else device.station[:6]


def _said(writers: Mapping[str, Callable[[Value], str]], values: Mapping[str, Value]) -> list[str]:
    return [
        f"{name}={writers[name](value)}"
        for name, value in values.items()
        if value is not None and name in writers
    ]


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
