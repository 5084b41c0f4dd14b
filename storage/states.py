"""What the gateway must remember: each device's state, each speaker's link, each boot's watermark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy import Connection

from devices.state import Ages
from domain.ids import DeviceId
from domain.watermark import Watermark
from storage.bulk import upsert
from storage.tables import boot, device_state, speaker, station_ages
from storage.texts import json_text

LinkState = Literal["online", "offline", "unknown"]


class StateRow(NamedTuple):
    """`state` is `DeviceState.to_json()`; `ages` may be younger, and `seen_ms` is the later one of both."""

    device: DeviceId
    state: str
    seen_ms: int | None
    ages: Ages | None = None


class AgesRow(NamedTuple):
    """How old is what the devices of a station said, by their short names."""

    station: str
    ages: Mapping[str, Ages]
    written_ms: int


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


def upsert_states(connection: Connection, rows: Sequence[StateRow]) -> None:
    """Write states, each device at most once."""
    upsert(device_state).run(connection, [(*row.device, row.state, row.seen_ms) for row in rows])


def upsert_ages(connection: Connection, rows: Sequence[AgesRow]) -> None:
    """Write the ages of stations, each at most once."""
    upsert(station_ages).run(
        connection, [(row.station, to_json(row.ages).decode(), row.written_ms) for row in rows]
    )


def load_states(connection: Connection) -> Iterable[StateRow]:
    """Every state, without its ages, one after the other, so that they never stand in memory twice."""
    for row in connection.execute(sa.select(device_state)).yield_per(1000):
        yield _state(row, {})


def load_ages(connection: Connection) -> Iterable[AgesRow]:
    """The ages of every station, one after the other."""
    for station, ages, written_ms in connection.execute(sa.select(station_ages)).yield_per(1000):
        yield AgesRow(station, json.loads(ages), written_ms)


def get_state(connection: Connection, id: DeviceId) -> StateRow | None:  # noqa: A002
    """The state of a device; None for one that never spoke."""
    found = connection.execute(
        sa.select(device_state).where(
            device_state.c.station == id.station, device_state.c.kind == id.kind, device_state.c.n == id.n
        )
    ).one_or_none()
    return None if found is None else _state(found, _ages_of(connection, id.station))


def states_of(connection: Connection, station: str) -> list[StateRow]:
    """The states of a station's devices."""
    ages = _ages_of(connection, station)
    wanted = sa.select(device_state).where(device_state.c.station == station)
    return [_state(row, ages) for row in connection.execute(wanted)]


def _ages_of(connection: Connection, station: str) -> Mapping[str, Ages]:
    text = connection.scalar(sa.select(station_ages.c.ages).where(station_ages.c.station == station))
    found: Mapping[str, Ages] = {} if text is None else json.loads(text)
    return found


def _state(row: sa.Row[*tuple[Any, ...]], ages: Mapping[str, Ages]) -> StateRow:
    station, kind, n, state, seen_ms = row
    device = DeviceId(station, kind, n)
    younger = ages.get(device.short)
    if younger is not None and younger[0] is not None:
        seen_ms = max(seen_ms or 0, younger[0])
    return StateRow(device, state, seen_ms, younger)


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
