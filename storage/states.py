"""What the gateway must remember: each device's state, each speaker's link, each boot's watermark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.ids import DeviceId
from domain.watermark import Watermark
from storage.bulk import upsert
from storage.tables import boot, device_state, speaker
from storage.texts import json_text
from storage.versions import STATES, next_versions

LinkState = Literal["online", "offline", "unknown"]


class StateRow(NamedTuple):
    """`state` is `DeviceState.to_json()`, `due_ms` when rules look again; `version` is set on writing."""

    device: DeviceId
    state: str
    seen_ms: int | None
    due_ms: int | None
    version: int = 0


class SpeakerRow(NamedTuple):
    """The connection of a speaker, as last heard. `boot` is the current one."""

    speaker: DeviceId
    link: LinkState
    conn: int | None
    boot: str | None
    boot_since_ms: int | None
    seen_ms: int | None
    dropped: int
    versions: Mapping[str, str]
    link_changed_ms: int | None


class BootRow(NamedTuple):
    """One run of a speaker: when it began for the hub, its clock, and what was seen of it."""

    speaker: DeviceId
    boot: str
    since_ms: int
    newest_ts_ms: int | None
    offset_ms: int | None
    watermark: Watermark
    updated_ms: int


def upsert_states(connection: Connection, rows: Sequence[StateRow]) -> int:
    """Write states, each device at most once; returns the version of the first, the others follow."""
    if not rows:
        return 0
    first = next_versions(connection, STATES, len(rows))
    upsert(device_state).run(
        connection,
        [(*row.device, row.state, row.seen_ms, row.due_ms, first + at) for at, row in enumerate(rows)],
    )
    return first


def load_states(connection: Connection) -> Iterable[StateRow]:
    """Every state, one after the other, so that they never stand in memory twice."""
    for row in connection.execute(sa.select(device_state)).yield_per(1000):
        yield _state(row)


def get_state(connection: Connection, id: DeviceId) -> StateRow | None:  # noqa: A002
    """The state of a device; None for one that never spoke."""
    found = connection.execute(
        sa.select(device_state).where(
            device_state.c.station == id.station, device_state.c.kind == id.kind, device_state.c.n == id.n
        )
    ).one_or_none()
    return None if found is None else _state(found)


def states_of(connection: Connection, station: str) -> list[StateRow]:
    """The states of a station's devices."""
    wanted = sa.select(device_state).where(device_state.c.station == station)
    return [_state(row) for row in connection.execute(wanted)]


def states_since(connection: Connection, version: int, limit: int = 1000) -> list[StateRow]:
    """States written after this version, oldest first."""
    wanted = sa.select(device_state).where(device_state.c.version > version)
    return [_state(row) for row in connection.execute(wanted.order_by(device_state.c.version).limit(limit))]


def _state(row: sa.Row[*tuple[Any, ...]]) -> StateRow:
    station, kind, n, state, seen_ms, due_ms, version = row
    return StateRow(DeviceId(station, kind, n), state, seen_ms, due_ms, version)


def upsert_speakers(connection: Connection, rows: Sequence[SpeakerRow]) -> None:
    """Write speakers, each at most once."""
    upsert(speaker).run(
        connection,
        [
            (
                *row.speaker,
                row.link,
                row.conn,
                row.boot,
                row.boot_since_ms,
                row.seen_ms,
                row.dropped,
                json_text(row.versions) if row.versions else "{}",
                row.link_changed_ms,
            )
            for row in rows
        ],
    )


def load_speakers(connection: Connection, station: str | None = None) -> list[SpeakerRow]:
    """Every speaker that was ever heard, or those of one station."""
    wanted = sa.select(speaker)
    if station is not None:
        wanted = wanted.where(speaker.c.station == station)
    return [
        SpeakerRow(
            DeviceId(row.station, row.kind, row.n),
            row.link,
            row.conn,
            row.boot,
            row.boot_since_ms,
            row.seen_ms,
            row.dropped,
            json.loads(row.versions),
            row.link_changed_ms,
        )
        for row in connection.execute(wanted)
    ]


def upsert_boots(connection: Connection, rows: Sequence[BootRow]) -> None:
    """Write boots, each at most once."""
    upsert(boot).run(
        connection,
        [
            (
                *row.speaker,
                row.boot,
                row.since_ms,
                row.newest_ts_ms,
                row.offset_ms,
                row.watermark.upto,
                json_text(row.watermark.ranges) if row.watermark.ranges else "[]",
                row.updated_ms,
            )
            for row in rows
        ],
    )


def load_boots(connection: Connection) -> list[BootRow]:
    """Every boot that is remembered."""
    return [
        BootRow(
            DeviceId(row.station, row.kind, row.n),
            row.boot,
            row.since_ms,
            row.newest_ts_ms,
            row.offset_ms,
            Watermark(row.upto, json.loads(row.ranges)),
            row.updated_ms,
        )
        for row in connection.execute(sa.select(boot))
    ]


def prune_boots(connection: Connection, before_ms: int, limit: int = 1000) -> int:
    """Forget boots last written before this time, but never a speaker's current one; returns how many."""
    current = (
        sa.exists()
        .where(speaker.c.station == boot.c.station, speaker.c.kind == boot.c.kind, speaker.c.n == boot.c.n)
        .where(speaker.c.boot == boot.c.boot)
    )
    old = (
        sa.select(boot.c.station, boot.c.kind, boot.c.n, boot.c.boot)
        .where(boot.c.updated_ms < before_ms, ~current)
        .limit(limit)
    )
    key = sa.tuple_(boot.c.station, boot.c.kind, boot.c.n, boot.c.boot)
    return connection.execute(sa.delete(boot).where(key.in_(old))).rowcount
