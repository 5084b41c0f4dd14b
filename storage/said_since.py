"""What was reported after a device's state was last written: the state lacks only its freshness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.clock_offset import TOLERANCE_MS
from domain.facts import Value
from domain.ids import DeviceId
from storage.series_tables import series_tables
from storage.tables import device_state, station_ages

MARGIN_MS: Final = TOLERANCE_MS + 30_000
"""A clock that is believed may be behind by this much; what is read twice changes nothing."""


class Said(NamedTuple):
    """One report of a device: `fields` that had a value, of the device itself, and of its parts where the
    store keeps reports in their order."""

    device: DeviceId
    boot: str
    seq: int
    at_ms: int
    received_ms: int
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]] = MappingProxyType({})


def said_since(connection: Connection, kind: str) -> Iterator[Said]:
    """Reports of all devices of a kind that are newer than their states and ages, in no order."""
    table = series_tables()[kind].own
    metrics = list(series_tables()[kind].kind.metrics)
    state, ages = device_state.c, station_ages.c
    since_ms = sa.case((ages.written_ms > state.seen_ms, ages.written_ms), else_=state.seen_ms)
    wanted = (
        sa.select(
            table.c.station, table.c.n, table.c.boot, table.c.seq, table.c.at_ms, table.c.received_ms,
            *(table.c[name] for name in metrics),
        )
        .join(device_state, sa.and_(state.station == table.c.station, state.n == table.c.n))
        .outerjoin(station_ages, ages.station == state.station)
        .where(state.kind == kind, table.c.at_ms > since_ms - MARGIN_MS)
    )  # fmt: skip
    for row in connection.execute(wanted).yield_per(1000):
        station, n, boot, seq, at_ms, received_ms, *values = row
        yield Said(
            DeviceId(station, kind, n),
            boot,
            seq,
            at_ms,
            received_ms,
            {name: value for name, value in zip(metrics, values, strict=True) if value is not None},
        )
