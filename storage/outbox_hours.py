"""What must leave the outbox unsent stays as hours: rolled up and deleted in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from devices.decode import decode_telemetry
from devices.registry import kind_of
from domain import topics
from domain.errors import BadMessage
from domain.ids import DeviceId, edge_box
from storage import rollups
from storage.rollups import Hour, Summary
from storage.series import Reading
from storage.series_outbox import Kept
from storage.series_row import SeriesRow


def row_of(kept: Kept) -> SeriesRow:
    """What the gateway understood when the message came; BadMessage when it cannot be read any more.

    Who spoke for the device is not kept.
    """
    topic = topics.parse(kept.topic)
    reading = decode_telemetry(kind_of(topic.device.kind), kept.payload)
    return SeriesRow(
        topic.device, edge_box(topic.device.station), kept.boot, kept.seq, kept.at_ms, reading.envelope.ts_ms,
        kept.received_ms, reading.fields, reading.parts, reading.extra, kept.topic, kept.payload,
    )  # fmt: skip


def roll_up(connection: Connection, rows: Sequence[Kept]) -> None:
    """Add messages to their hours, in the transaction that deletes them: each must come here only once."""
    by_device: dict[DeviceId, list[Reading]] = {}
    for kept in rows:
        try:
            row = row_of(kept)
        except BadMessage:
            continue
        by_device.setdefault(row.device, []).append(
            Reading(row.at_ms, row.received_ms, row.boot, row.seq, row.fields, row.parts)
        )
    hours = [
        hour
        for device, readings in sorted(by_device.items())
        for hour in rollups.hours_of(device, sorted(readings, key=lambda one: (one.at_ms, one.seq)))
    ]
    rollups.put_hours(connection, list(_joined(connection, hours)))


def _joined(connection: Connection, hours: Iterable[Hour]) -> Iterable[Hour]:
    """Each hour with what is known of it already."""
    for hour in hours:
        known = rollups.between(connection, hour.device, hour.hour_ms, hour.hour_ms + 1, hour.part)
        if not known:
            yield hour
            continue
        metrics: dict[str, Summary] = dict(known[0].metrics)
        for name, summary in hour.metrics.items():
            before = metrics.get(name)
            metrics[name] = summary if before is None else before.then(summary)
        yield hour._replace(messages=hour.messages + known[0].messages, metrics=metrics)
