"""Lines straight from a message's bytes, which the gateway has examined: most values were written before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from devices.kind import ColumnType, Metric
from devices.registry import kinds
from devices.said_before import SaidBefore
from domain.envelope import FIELDS
from domain.facts import Value
from storage.influx_points import Shape, adcode_of, lines, shape_of, written
from storage.outbox_hours import row_of
from storage.series_outbox import Kept

_MOST_REMEMBERED: Final = 4_096
_LONGEST_REMEMBERED: Final = 64
_TYPES: Final[Mapping[ColumnType, tuple[type, ...]]] = {
    "float": (float, int),
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
}


class _NotPlain(Exception):
    """Something that only the careful way can judge."""


class _Texts(dict[Value, str]):
    """`name=value` of one metric by its value; empty for what is left out."""

    def __init__(self, metric: Metric, write: Callable[[Value], str]) -> None:
        super().__init__({None: ""})
        self._metric = metric
        self._write = write
        self._types = _TYPES[metric.type]

    def __missing__(self, value: Value) -> str:
        if not isinstance(value, self._types) or not self._metric.in_range(value):
            raise _NotPlain
        text = f"{self._metric.name}={self._write(value)}"
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
                self[None] = ""
            self[value] = text
        return text


class _Envelope(dict[Value, str]):
    """Fields around the content are written elsewhere."""

    def __missing__(self, value: Value) -> str:
        return ""


class _Way(NamedTuple):
    """How the messages of one kind are written."""

    shape: Shape
    part_field: str | None
    texts: Mapping[str, Mapping[Value, str]]
    part_texts: Mapping[str, Mapping[Value, str]]
    said_before: SaidBefore[str]
    """Holds what was written for the same content."""


def lines_of(kept: Kept) -> list[str]:
    """The lines of a message of the outbox; BadMessage when it cannot be read any more."""
    try:
        return _plain_lines(kept)
    except (_NotPlain, AttributeError, KeyError, TypeError, ValueError):
        row = row_of(kept)
        return lines(adcode_of(row.device, kept.topic), row)


def _plain_lines(kept: Kept) -> list[str]:
    _, adcode, station, _, kind, n, _ = kept.topic.split("/")
    shape, part_field, texts, part_texts, said_before = _way(kind)
    payload = kept.payload
    found = said_before.find(payload)
    if found is not None:
        return written(shape, adcode, station, n, kept, found[0], found[4], ())
    body: dict[str, Any] = from_json(payload, allow_inf_nan=False)
    listed = body.pop(part_field, None) if part_field else None
    own = ",".join(filter(None, [texts[name][value] for name, value in body.items()]))
    parts = []
    if listed:
        for part in listed:
            number = part.pop("n")
            said = filter(None, [part_texts[name][value] for name, value in part.items()])
            parts.append((number, ",".join(said)))
    else:
        said_before.remember(payload, own)
    return written(shape, adcode, station, n, kept, body["ts"], own, parts)


@lru_cache
def _way(kind: str) -> _Way:
    declared, shape = kinds()[kind], shape_of(kind)
    own: dict[str, Mapping[Value, str]] = dict.fromkeys(FIELDS, _Envelope())
    own |= {name: _Texts(metric, shape.writers[name]) for name, metric in declared.metrics.items()}
    of_part = {
        name: _Texts(metric, shape.part_writers[name]) for name, metric in declared.part_metrics.items()
    }
    return _Way(shape, declared.parts.field if declared.parts else None, own, of_part, SaidBefore())
