"""Hours are rolled up once, again when something came late, and add up to what the readings were."""

from __future__ import annotations

import math
from functools import reduce

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Value
from rules.calendar import Calendar
from rules.station_view import Timetables
from storage import alerts, events, registry, rollups, stations
from storage.database import Database
from storage.registry import Device
from storage.rolled_series import RolledSeries
from storage.rolling import AFTER_MS, roll
from storage.rollup_tables import late_hour, rollup, uptime_hour, use_hour
from storage.rollups import HOUR_MS, Summary
from storage.series import Aggregate, Point, SeriesRow, SqlSeries
from storage.states import upsert_boots
from tests.storage.rows import (
    BOX,
    CABINET,
    LOCK,
    NOON_MS,
    SENSOR,
    STATION,
    alert,
    boot_of,
    event,
    reading,
    station,
)

SERIES = RolledSeries(SqlSeries())
TIMETABLES = Timetables(Calendar())
MINUTE_MS = 60_000
LATER_MS = NOON_MS + 3 * HOUR_MS + AFTER_MS


@pytest.fixture
def hub(db: Database) -> Database:
    with db.write() as connection:
        stations.put_stations(connection, [station(hours="24/7")])
        registry.put_devices(connection, [Device(one, BOX) for one in (LOCK, CABINET, SENSOR)])
        upsert_boots(connection, [boot_of()])
    return db


def _append(db: Database, *rows: SeriesRow) -> None:
    with db.write() as connection:
        SERIES.append(connection, rows[0].device.kind, rows)


def _roll(db: Database, now_ms: int = LATER_MS, raw_from_ms: int = 0) -> int:
    return sum(1 for _ in roll(db, SERIES, TIMETABLES, now_ms, raw_from_ms))


def _kept(db: Database, *tables: sa.Table) -> list[tuple[object, ...]]:
    with db.read() as connection:
        return [
            tuple(row)
            for table in tables or (rollup, uptime_hour, use_hour)
            for row in connection.execute(sa.select(table).order_by(*table.primary_key))
        ]


NUMBERS = st.one_of(st.integers(-(2**62), 2**62), st.booleans())
VALUES: st.SearchStrategy[list[list[Value]]] = st.one_of(
    st.lists(st.lists(NUMBERS, max_size=6), max_size=8),
    st.lists(st.lists(st.sampled_from(["locked", "jammed"]), max_size=6), max_size=8),
)


@given(VALUES)
def test_a_roll_up_of_roll_ups_is_the_roll_up_of_all(hours: list[list[Value]]) -> None:
    found = [summary for summary in map(Summary.of, hours) if summary is not None]
    together = reduce(Summary.then, found) if found else None
    assert together == Summary.of(value for hour in hours for value in hour)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_so_it_is_with_fractions_as_far_as_fractions_go(one: list[float], other: list[float]) -> None:
    first, second, whole = Summary.of(one), Summary.of(other), Summary.of([*one, *other])
    assert first is not None
    assert second is not None
    assert whole is not None
    together = first.then(second)
    assert together[:2] + together[3:] == whole[:2] + whole[3:]
    assert math.isclose(together.sum or 0, whole.sum or 0, abs_tol=1e-3)


def test_an_hour_says_how_often_how_low_how_high_and_what_last(hub: Database) -> None:
    _append(
        hub,
        reading(seq=1, at_ms=NOON_MS, count_raw=4, presence=True),
        reading(seq=2, at_ms=NOON_MS + 5, count_raw=1, presence=False),
        reading(seq=3, at_ms=NOON_MS + HOUR_MS, count_raw=9),
    )
    _append(hub, reading(CABINET, 4, NOON_MS, parts={3: {"temp_c": 20.5, "state": "full"}}))
    _roll(hub)
    with hub.read() as connection:
        first, second = rollups.between(connection, SENSOR, NOON_MS, LATER_MS)
        (slot,) = rollups.between(connection, CABINET, NOON_MS, LATER_MS, 3)
    assert (first.hour_ms, first.messages, second.hour_ms) == (NOON_MS, 2, NOON_MS + HOUR_MS)
    assert first.metrics == {"count_raw": (2, 1, 5, 4, 1), "presence": (2, 0, 1, 1, False)}
    assert slot.metrics == {"temp_c": (1, 20.5, 20.5, 20.5, 20.5), "state": (1, None, None, None, "full")}


def test_rolling_up_again_changes_nothing_and_asks_for_nothing(hub: Database) -> None:
    _append(hub, *(reading(seq=i, at_ms=NOON_MS + i * MINUTE_MS, count_raw=i) for i in range(200)))
    assert _roll(hub) > 0
    before = _kept(hub)
    assert _roll(hub) == 0
    assert _kept(hub) == before


def test_an_hour_that_is_not_over_for_ten_minutes_waits(hub: Database) -> None:
    _append(hub, reading(seq=1, at_ms=NOON_MS, count_raw=1))
    assert _roll(hub, NOON_MS + HOUR_MS + AFTER_MS - 1) == 0
    assert _roll(hub, NOON_MS + HOUR_MS + AFTER_MS) == 1
    assert len(_kept(hub, rollup)) == 1


def test_after_an_outage_it_goes_on_where_it_was_in_steps_of_hours(hub: Database) -> None:
    rows = [reading(seq=i, at_ms=NOON_MS + i * HOUR_MS // 2, count_raw=i) for i in range(80)]
    _append(hub, *rows)
    job = roll(hub, SERIES, TIMETABLES, NOON_MS + 45 * HOUR_MS)
    next(job)
    del job
    assert len(_kept(hub, rollup)) == 6
    assert _roll(hub, NOON_MS + 45 * HOUR_MS) == 7
    assert len(_kept(hub, rollup)) == 40
    with hub.read() as connection:
        assert rollups.rolled_until(connection, STATION) == NOON_MS + 44 * HOUR_MS


def test_what_comes_late_has_its_hour_rolled_up_again_as_if_it_had_come_in_time(hub: Database) -> None:
    in_time = [
        reading(seq=i, at_ms=NOON_MS + i * 20 * MINUTE_MS, count_raw=i, presence=True, in_total=10 * i)
        for i in range(9)
    ]
    silent = in_time[2:5]
    _append(hub, *(row for row in in_time if row not in silent))
    _roll(hub)
    without = _kept(hub)
    _append(hub, *(row._replace(received_ms=LATER_MS) for row in silent))
    assert _kept(hub, late_hour) == [(STATION, NOON_MS, 1), (STATION, NOON_MS + HOUR_MS, 1)]
    _roll(hub, LATER_MS + 1)
    late = _kept(hub)
    assert late != without
    assert _kept(hub, late_hour) == []
    with hub.write() as connection:
        for table in ("rollup", "uptime_hour", "use_hour", "rolled"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    _roll(hub, LATER_MS)
    assert _kept(hub) == late


def test_a_message_just_after_the_hour_is_not_late(hub: Database) -> None:
    row = reading(seq=1, at_ms=NOON_MS + HOUR_MS - 1, count_raw=1)
    _append(hub, row._replace(received_ms=row.at_ms + MINUTE_MS))
    assert _kept(hub, late_hour) == []


def test_what_was_received_in_time_and_held_back_for_long_is_late_too(hub: Database) -> None:
    class Clock:
        def now_ms(self) -> int:
            return NOON_MS + HOUR_MS + 2 * MINUTE_MS

        def monotonic_s(self) -> float:
            return 0.0

    with hub.write() as connection:
        rows = [reading(seq=1, at_ms=NOON_MS + HOUR_MS - 1), reading(seq=2, at_ms=NOON_MS + HOUR_MS)]
        RolledSeries(SqlSeries(), Clock()).append(connection, SENSOR.kind, rows)
    assert _kept(hub, late_hour) == [(STATION, NOON_MS, 1)]


def test_late_again_while_it_is_rolled_up_is_rolled_up_again(hub: Database) -> None:
    _append(hub, reading(seq=1, at_ms=NOON_MS, count_raw=1))
    _roll(hub)
    late = reading(seq=2, at_ms=NOON_MS + 1, count_raw=5)._replace(received_ms=LATER_MS)
    _append(hub, late)

    class Interrupted(RolledSeries):
        def readings_of(self, connection, devices, from_ms, to_ms):  # type: ignore[no-untyped-def]
            found = super().readings_of(connection, devices, from_ms, to_ms)
            if SENSOR in devices and not self.told:
                self.told = True
                _append(hub, late._replace(seq=3, at_ms=NOON_MS + 2, fields={"count_raw": 7}))
            return found

        told = False

    list(roll(hub, Interrupted(SqlSeries()), TIMETABLES, LATER_MS + 1))
    assert _kept(hub, late_hour) == [(STATION, NOON_MS, 2)]
    _roll(hub, LATER_MS + 2)
    with hub.read() as connection:
        (hour,) = rollups.between(connection, SENSOR, NOON_MS, LATER_MS)
    assert hour.metrics["count_raw"].max == 7


def test_an_hour_whose_readings_are_gone_is_left_as_it_was(hub: Database) -> None:
    _append(hub, *(reading(seq=i, at_ms=NOON_MS + i, count_raw=i, in_total=i) for i in range(5)))
    _roll(hub)
    before = _kept(hub)
    with hub.write() as connection:
        SERIES.prune(connection, NOON_MS + HOUR_MS)
    _append(hub, reading(seq=99, at_ms=NOON_MS + 99, count_raw=99)._replace(received_ms=LATER_MS))
    _roll(hub, LATER_MS, raw_from_ms=NOON_MS + HOUR_MS)
    assert _kept(hub) == before
    assert _kept(hub, late_hour) == []


def test_uptime_of_an_hour_knows_what_was_said_before_it_and_adds_up(hub: Database) -> None:
    with hub.write() as connection:
        alerts.open_many(connection, [alert(refuse_entry=True, happened_ms=NOON_MS + 30 * MINUTE_MS, part=0)])
    _append(
        hub,
        *(
            reading(LOCK, i, NOON_MS - 2 * MINUTE_MS + i * MINUTE_MS, bolt="locked", mode="normal")
            for i in range(50)
        ),
    )
    _roll(hub, NOON_MS + HOUR_MS + AFTER_MS)
    found = {row[1]: row[3:] for row in _kept(hub, uptime_hour) if row[2] == NOON_MS}
    assert found["door"] == (52 * MINUTE_MS, 0, 8 * MINUTE_MS, 0)
    assert found["open"] == (30 * MINUTE_MS, 30 * MINUTE_MS, 0, 0)
    assert found["seats"] == (0, 0, HOUR_MS, 0)
    assert all(sum(row[3:]) == HOUR_MS for row in _kept(hub, uptime_hour))  # type: ignore[arg-type]


def test_a_station_is_not_blamed_for_hours_in_which_it_was_closed(hub: Database) -> None:
    with hub.write() as connection:
        stations.put_stations(connection, [station(hours="Mo-Su 08:00-12:30")])
    eight_ms = NOON_MS - NOON_MS % 86_400_000 + 86_400_000  # 08:00 in China
    _append(hub, reading(LOCK, 1, eight_ms + 4 * HOUR_MS, bolt="locked"))
    _roll(hub, eight_ms + 6 * HOUR_MS)
    found = {row[2]: row[3:] for row in _kept(hub, uptime_hour) if row[1] == "open"}
    assert found[eight_ms + 4 * HOUR_MS] == (5 * MINUTE_MS, 0, 25 * MINUTE_MS, 30 * MINUTE_MS)


def test_use_is_counted_without_anybody_being_named(hub: Database) -> None:
    every = 30_000
    _append(
        hub,
        *(
            reading(seq=i, at_ms=NOON_MS + i * every, count_raw=2, presence=True, in_total=100 + i // 40)
            for i in range(360)
        ),
    )
    with hub.write() as connection:
        events.append_many(
            connection,
            [
                event(seq=1, type="unlocked", at_ms=NOON_MS + 1),
                event(seq=2, type="jammed", at_ms=NOON_MS + 2),
                event(CABINET, 3, type="swapped", at_ms=NOON_MS + HOUR_MS),
            ],
        )
    _roll(hub)
    rows = [row[1:] for row in _kept(hub, use_hour)]
    expected = 60 + 120 + 120
    assert rows == [
        (NOON_MS, 2, 2 * HOUR_MS, HOUR_MS, 1, 1, 0, 120, expected),
        (NOON_MS + HOUR_MS, 3, 2 * HOUR_MS, HOUR_MS, 0, 0, 1, 120, expected),
        (NOON_MS + 2 * HOUR_MS, 3, 2 * HOUR_MS, HOUR_MS, 0, 0, 0, 120, expected),
    ]


def test_history_older_than_the_readings_comes_from_the_hours(hub: Database) -> None:
    rows = [reading(seq=i, at_ms=NOON_MS + i * 10 * MINUTE_MS, count_raw=i * 7 % 12) for i in range(120)]
    _append(hub, *rows)
    _roll(hub, NOON_MS + 19 * HOUR_MS)
    aggregates: tuple[Aggregate, ...] = ("min", "mean", "max", "last")
    asked = [(a, step) for a in aggregates for step in (None, HOUR_MS, 3 * HOUR_MS, 24 * HOUR_MS)]

    def ask(aggregate: Aggregate, step_ms: int | None) -> list[Point]:
        with hub.read() as connection:
            return SERIES.history(
                connection, SENSOR, "count_raw", 0, NOON_MS, NOON_MS + 20 * HOUR_MS, step_ms, aggregate
            )

    before = {one: ask(*one) for one in asked}
    with hub.write() as connection:
        SERIES.prune(connection, NOON_MS + 5 * HOUR_MS + 10 * MINUTE_MS)
    for one in asked:
        after = ask(*one)
        if one[1] is not None:
            assert after == before[one], one
        else:
            assert [at_ms for at_ms, _ in after[:6]] == [NOON_MS + hour * HOUR_MS for hour in range(6)]
            assert after[6:] == before[one][36:]


def test_young_history_is_not_touched_by_the_hours(hub: Database) -> None:
    _append(hub, *(reading(seq=i, at_ms=NOON_MS + i * MINUTE_MS, count_raw=i) for i in range(130)))
    _roll(hub)
    with hub.read() as connection:
        raw = SqlSeries().history(connection, SENSOR, "count_raw", 0, 0, LATER_MS, None, "mean")
        both = SERIES.history(connection, SENSOR, "count_raw", 0, 0, LATER_MS, None, "mean")
    assert both == raw
    assert len(raw) == 130
