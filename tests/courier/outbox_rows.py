"""Readings as the gateway leaves them in the outbox, and what has become of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from domain import topics
from domain.ids import DeviceId, edge_box
from storage import parked, series_outbox
from storage.database import Database
from storage.influx import Influx
from storage.influx_points import seq_of
from storage.outbox_tables import outbox
from storage.series_outbox import COVERED, SENT
from storage.series_row import SeriesRow

ADCODE = "331002"
SENSOR, CABINET = "occupancy_sensor", "swap_cabinet"


def message(n: int, seq: int, at_ms: int, kind: str = SENSOR, **values: Any) -> SeriesRow:
    """A telemetry message of device `n`, as it came."""
    device = DeviceId(f"{ADCODE}-{n // 100:04}", kind, n % 100)
    body = {"v": 1, "ts": at_ms - 5, "boot": "b1", "seq": seq, "low": 0, **values}
    payload = json.dumps(body, separators=(",", ":")).encode()
    return SeriesRow(
        device, edge_box(device.station), "b1", seq, at_ms, at_ms - 5, at_ms, {}, {}, {},
        topics.telemetry(ADCODE, device), payload,
    )  # fmt: skip


def sensors(count: int, from_ms: int, *, first: int = 0) -> Iterator[SeriesRow]:
    """Messages of a hundred sensors, one after the other, a second apart."""
    for at in range(first, first + count):
        yield message(at % 100, at, from_ms + at * 1000, count_raw=at % 7, presence=at % 2 == 0)


def keep(database: Database, rows: Sequence[SeriesRow]) -> None:
    """As the gateway does, which also needs none of them for a restart."""
    with database.write() as connection:
        series_outbox.add(connection, rows)
        series_outbox.reach(connection, COVERED, series_outbox.newest(connection))


def unsent(database: Database) -> int:
    """How many rows are still to be sent."""
    with database.read() as connection:
        first = series_outbox.reached(connection, SENT)
        return (
            connection.scalar(sa.select(sa.func.count()).select_from(outbox).where(outbox.c.id > first)) or 0
        )


def put_aside(database: Database) -> list[parked.Parked]:
    """What InfluxDB refused."""
    with database.read() as connection:
        return parked.search(connection, limit=1000)


def arrived(influx: Influx, measurement: str = SENSOR) -> Counter[int]:
    """How often the message of each `seq` stands in InfluxDB, over all devices."""
    flux = (
        "from(bucket: p_bucket) |> range(start: 2020-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)"
        ' |> filter(fn: (r) => r._measurement == p_measurement and r._field == "received_ms")'
        ' |> keep(columns: ["_time", "_value", "_field"]) |> group()'
    )
    asked = influx.ask(flux, {"p_bucket": influx.at.bucket, "p_measurement": measurement})
    return Counter(seq_of(row.at_ns) for row in asked)
