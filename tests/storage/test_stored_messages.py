"""What a back-test reads again is what was stored, whatever seldom changes, comes twice or is not there."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from devices.registry import kinds
from domain.facts import Value
from rules.stored import StoredDevice, StoredMessage
from storage.database import Database
from storage.series import SqlSeries
from storage.series_row import SeriesRow
from storage.stored_messages import CHUNK_MS, Columns, read_station
from tests.storage.rows import BOX, CABINET, NOON_MS

pytestmark = pytest.mark.integration

MINUTE_MS = 60_000
WANTED = Columns(("status", "smoke", "cabinet_temp_c"), ("state", "enabled", "temp_c"))


def _row(at: int, parts: Mapping[int, Mapping[str, Value]], **given: Any) -> SeriesRow:
    at_ms = NOON_MS + at * MINUTE_MS
    fields: dict[str, Value] = {"status": "idle", "smoke": False, "cabinet_temp_c": 20.0 + at % 7}
    row = SeriesRow(CABINET, BOX, "b1", at, at_ms, at_ms, at_ms + 20, fields, parts, {})
    return row._replace(**given)


def _parts(at: int) -> dict[int, dict[str, Value]]:
    return {n: {"state": "full", "enabled": True, "temp_c": 25.0 + (at * n) % 11} for n in (1, 2)}


def _read(db: Database, minutes: int) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    cabinet = StoredDevice(CABINET, kinds()["swap_cabinet"], BOX)
    end_ms = NOON_MS + minutes * MINUTE_MS
    for hours in read_station(db, [cabinet], {"swap_cabinet": WANTED}, NOON_MS, end_ms):
        found += hours.singles
        found += [track.message(at) for track in hours.tracks for at in range(len(track))]
    return sorted(found)


def _said(rows: list[SeriesRow]) -> list[StoredMessage]:
    def known(fields: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in fields.items() if value is not None}

    return sorted(
        StoredMessage(
            row.received_ms, row.seq, row.device, row.speaker, row.boot, row.at_ms, row.device_ts_ms,
            known(row.fields), {n: known(inner) for n, inner in row.parts.items()},
        )
        for row in rows
    )  # fmt: skip


def _keep(db: Database, rows: list[SeriesRow]) -> None:
    with db.write() as connection:
        SqlSeries().append(connection, "swap_cabinet", rows)


def test_what_hardly_ever_changes_is_read_with_its_exceptions(db: Database) -> None:
    minutes = 3 * CHUNK_MS // MINUTE_MS
    rng = random.Random(7)
    rows = []
    for at in range(minutes):
        row = _row(at, _parts(at))
        if rng.random() < 0.01:
            fault: dict[str, Value] = {"status": rng.choice(("fault", None)), "smoke": True}
            row = row._replace(fields={**row.fields, **fault})
        if rng.random() < 0.01:
            inner: dict[str, Value] = {"state": None, "enabled": rng.random() < 0.5}
            row = row._replace(parts={**row.parts, 2: {**row.parts[2], **inner}})
        rows.append(row)
    _keep(db, rows)
    assert _read(db, minutes) == _said(rows)


def test_what_changes_for_good_is_read_as_it_is_from_then_on(db: Database) -> None:
    minutes = 3 * CHUNK_MS // MINUTE_MS
    late = CHUNK_MS // MINUTE_MS + 500
    rows = [
        _row(at, _parts(at))
        if at < late
        else _row(
            at, {1: {**_parts(at)[1], "state": "empty"}, 2: _parts(at)[2]}, boot="b2", device_ts_ms=None
        )
        for at in range(minutes)
    ]
    _keep(db, rows)
    assert _read(db, minutes) == _said(rows)


def test_reports_of_one_moment_and_reports_without_a_part_stay_apart(db: Database) -> None:
    minutes = 2 * CHUNK_MS // MINUTE_MS
    rows = []
    for at in range(minutes):
        rows.append(_row(at, _parts(at)))
        if at in (1500, 2000):
            rows[-1] = _row(at, {2: _parts(at)[2]})
        if at in (1600, 1601):
            twin = {n: {**inner, "state": "empty"} for n, inner in _parts(at).items()}
            rows.append(_row(at, twin, boot="b2", seq=9_000 + at, fields={"status": "fault", "smoke": True}))
    _keep(db, rows)
    assert _read(db, minutes) == _said(rows)
