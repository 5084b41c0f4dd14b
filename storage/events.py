"""What happened once, and what devices answered: one row a message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.ids import DeviceId
from storage.areas import within
from storage.bulk import Insert
from storage.tables import event, station
from storage.texts import json_text, storable


class EventRow(NamedTuple):
    """An event, or a reply as type `reply.<state>`. `at_ms` is when it counts, `id` is set on writing."""

    device: DeviceId
    speaker: DeviceId
    boot: str
    seq: int
    at_ms: int
    device_ts_ms: int | None
    received_ms: int
    type: str
    part: int
    body: Mapping[str, Any]
    id: int = 0


_COLUMNS: Final = tuple(name for name in event.columns.keys() if name != "id")  # noqa: SIM118
_APPEND: Final = Insert(
    event, _COLUMNS, on_conflict="keep", key=("station", "speaker_kind", "speaker_n", "boot", "seq")
)


def append_many(connection: Connection, rows: Sequence[EventRow]) -> int:
    """Write events; one that is there already (same speaker, boot, seq) stays. Returns how many were new."""
    return _APPEND.run(
        connection,
        [
            (
                *row.device,
                row.speaker.kind,
                row.speaker.n,
                row.boot,
                row.seq,
                row.at_ms,
                row.device_ts_ms,
                row.received_ms,
                storable(row.type),
                row.part,
                json_text(row.body),
            )
            for row in rows
        ],
    )


def search(
    connection: Connection,
    *,
    device: DeviceId | None = None,
    area: str = "",
    type: str | None = None,  # noqa: A002
    from_ms: int | None = None,
    to_ms: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[EventRow]:
    """Events of a device or an area from `from_ms` up to, not including, `to_ms`; the last kept first.

    The id of the last one is the next `before_id`.
    """
    wanted = sa.select(event)
    if device is not None:
        wanted = wanted.where(
            event.c.station == device.station, event.c.kind == device.kind, event.c.n == device.n
        )
    if area:
        wanted = wanted.join(station, station.c.id == event.c.station).where(
            within(area, station.c.area, station.c.id)
        )
    if type is not None:
        wanted = wanted.where(event.c.type == type)
    if from_ms is not None:
        wanted = wanted.where(event.c.at_ms >= from_ms)
    if to_ms is not None:
        wanted = wanted.where(event.c.at_ms < to_ms)
    if before_id is not None:
        wanted = wanted.where(event.c.id < before_id)
    return [
        EventRow(
            DeviceId(row.station, row.kind, row.n),
            DeviceId(row.station, row.speaker_kind, row.speaker_n),
            row.boot,
            row.seq,
            row.at_ms,
            row.device_ts_ms,
            row.received_ms,
            row.type,
            row.part,
            json.loads(row.body),
            row.id,
        )
        for row in connection.execute(wanted.order_by(event.c.id.desc()).limit(limit))
    ]
