"""Readings go in as messages and come out as points, at the step and aggregate that was asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from devices.registry import kinds
from domain.errors import NotFound
from domain.facts import Value
from domain.ids import DeviceId
from runtime.clock import WallClock
from storage.database import Database, open_database
from storage.influx import Influx
from storage.influx_points import adcode_of, lines
from storage.influx_series import InfluxSeries
from storage.series import Aggregate, Series, SqlSeries
from storage.series_row import SeriesRow
from storage.series_tables import series_tables
from tests.storage.rows import BOX, CABINET, LOCK, NOON_MS, SENSOR, STATION, reading

ELSEWHERE = ("postgresql", "influx")
MINUTE_MS = 60_000
SERIES = SqlSeries()


class Place(NamedTuple):
    """Somewhere to keep readings, and how they get there at once."""

    db: Database
    series: Series
    append: Callable[..., None]


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.integration) for name in ELSEWHERE)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The tables of both databases, and InfluxDB. Fractions may differ in their last digits."""
    url = str(request.getfixturevalue(f"migrated_{request.param.replace('influx', 'sqlite')}_url"))
    database = open_database(url)
    if request.param == "influx":
        influx = Influx(request.getfixturevalue("influx_at"))

        def send(*rows: SeriesRow) -> None:
            made = [line for row in rows for line in lines(adcode_of(row.device, row.topic), row)]
            influx.write("\n".join(made).encode())

        yield Place(database, InfluxSeries(influx, WallClock()), send)
        influx.close()
    else:
        yield Place(database, SERIES, lambda *rows: _append(database, *rows))
    database.close()


def _append(db: Database, *rows: SeriesRow) -> None:
    with db.write() as connection:
        SERIES.append(connection, rows[0].device.kind, rows)


def _history(
    place: Place,
    device: DeviceId,
    metric: str,
    part: int = 0,
    *,
    step_ms: int | None = MINUTE_MS,
    aggregate: Aggregate = "mean",
    from_ms: int = NOON_MS,
    to_ms: int = NOON_MS + 10 * MINUTE_MS,
) -> list[tuple[int, Value]]:
    with place.db.read() as connection:
        points = place.series.history(connection, device, metric, part, from_ms, to_ms, step_ms, aggregate)
    return [(point.at_ms - NOON_MS, point.value) for point in points]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("min", [(0, 1), (2 * MINUTE_MS, 5)]),
        ("mean", [(0, 2.5), (2 * MINUTE_MS, 5.0)]),
        ("max", [(0, 4), (2 * MINUTE_MS, 5)]),
        ("last", [(0, 4), (2 * MINUTE_MS, 5)]),
    ],
)
def test_a_step_has_one_point_and_a_gap_has_none(
    place: Place, aggregate: Aggregate, expected: list[tuple[int, Value]]
) -> None:
    place.append(
        reading(seq=1, at_ms=NOON_MS, count_raw=1),
        reading(seq=3, at_ms=NOON_MS + 59_999, count_raw=4),
        reading(seq=2, at_ms=NOON_MS + 30_000, presence=True),
        reading(seq=4, at_ms=NOON_MS + 2 * MINUTE_MS, count_raw=5),
        reading(seq=5, at_ms=NOON_MS + 10 * MINUTE_MS, count_raw=99),
        reading(seq=6, at_ms=NOON_MS - 1, count_raw=99),
    )
    assert _history(place, SENSOR, "count_raw", aggregate=aggregate) == expected


def test_truth_values_count_as_0_and_1_but_the_last_one_stays_what_it_is(place: Place) -> None:
    values = [True, False, False, True]
    place.append(*(reading(seq=i, at_ms=NOON_MS + i, presence=value) for i, value in enumerate(values)))
    assert _history(place, SENSOR, "presence", aggregate="mean") == [(0, 0.5)]
    assert _history(place, SENSOR, "presence", aggregate="min") == [(0, 0)]
    assert _history(place, SENSOR, "presence", aggregate="max") == [(0, 1)]
    assert _history(place, SENSOR, "presence", aggregate="last") == [(0, True)]


def test_text_has_a_last_value_only(place: Place) -> None:
    place.append(reading(LOCK, 1, bolt="locked"), reading(LOCK, 2, NOON_MS + 1, bolt="unlocked"))
    assert _history(place, LOCK, "bolt", aggregate="last") == [(0, "unlocked")]
    with pytest.raises(ValueError, match="text"):
        _history(place, LOCK, "bolt", aggregate="mean")


def test_without_a_step_every_report_is_a_point(place: Place) -> None:
    place.append(reading(seq=1, count_raw=1), reading(seq=2, count_raw=2), reading(seq=3, at_ms=NOON_MS + 7))
    assert _history(place, SENSOR, "count_raw", step_ms=None) == [(0, 1), (0, 2)]


def test_parts_have_their_own_history(place: Place) -> None:
    place.append(
        reading(
            CABINET, 1, parts={1: {"temp_c": 20.0}, 3: {"temp_c": 60.5, "state": "charging"}}, smoke=False
        ),
        reading(CABINET, 2, NOON_MS + MINUTE_MS, parts={3: {"temp_c": 61}}),
    )
    assert _history(place, CABINET, "temp_c", 3) == [(0, 60.5), (MINUTE_MS, 61.0)]
    assert _history(place, CABINET, "temp_c", 1) == [(0, 20.0)]
    assert _history(place, CABINET, "state", 3, aggregate="last") == [(0, "charging")]
    assert _history(place, CABINET, "smoke", aggregate="last") == [(0, False)]


def test_the_same_message_twice_is_one_row(place: Place) -> None:
    place.append(reading(CABINET, 1, parts={1: {"temp_c": 20.0}}, power_w=5.0))
    place.append(reading(CABINET, 1, parts={1: {"temp_c": 20.0}}, power_w=5.0))
    with place.db.read() as connection:
        (found,) = place.series.readings(connection, CABINET, 0, 2 * NOON_MS)
    assert found == (NOON_MS, NOON_MS, "boot1", 1, {"power_w": 5.0}, {1: {"temp_c": 20.0}})


def test_what_is_not_declared_is_kept_as_it_was_sent(db: Database) -> None:
    extra: dict[str, Any] = {
        "nul": "a\x00b",
        "huge": 10**23,
        "far": float("inf"),
        "half": "\ud800",
        "字": "符",
    }
    _append(db, reading(extra=extra, count_raw=2**62))
    table = series_tables()["occupancy_sensor"].own
    with db.read() as connection:
        row = connection.execute(sa.select(table)).one()
    assert row.count_raw == 2**62
    assert (row.speaker_kind, row.speaker_n, row.seq, row.device_ts_ms) == ("station", 0, 1, NOON_MS - 5)
    assert '"far":"inf"' in row.extra
    assert "100000000000000000000000" in row.extra


@pytest.mark.parametrize(
    ("device", "metric", "part"),
    [
        (DeviceId(STATION, "toaster", 1), "temp_c", 0),
        (CABINET, "temp_c", 0),
        (CABINET, "nothing", 3),
        (LOCK, "bolt", 1),
    ],
)
def test_asking_for_what_does_not_exist_says_so(
    place: Place, device: DeviceId, metric: str, part: int
) -> None:
    with pytest.raises(NotFound):
        _history(place, device, metric, part)


def test_a_question_without_an_end_is_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="10000 points"):
        _history(place, SENSOR, "count_raw", step_ms=1)
    with pytest.raises(ValueError, match="step"):
        _history(place, SENSOR, "count_raw", step_ms=0)


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_kind_can_be_written_and_read_back(place: Place, kind: str) -> None:
    examples: dict[str, Value] = {"float": 1.5, "int": 3, "bool": True, "str": "word"}
    device = DeviceId(STATION, kind, 1)
    fields = {metric.name: examples[metric.type] for metric in kinds()[kind].metrics.values()}
    parts = {2: {metric.name: examples[metric.type] for metric in kinds()[kind].part_metrics.values()}}
    row = SeriesRow(device, BOX, "b", 1, NOON_MS, None, NOON_MS, fields, parts if parts[2] else {}, {})
    place.append(row)
    for part, metrics in ((0, kinds()[kind].metrics), (2, kinds()[kind].part_metrics)):
        for metric in metrics.values():
            found = _history(place, device, metric.name, part, aggregate="last")
            assert found == [(0, examples[metric.type])], metric.name


def test_messages_come_back_whole_and_in_order_of_time(place: Place) -> None:
    place.append(
        reading(CABINET, 2, NOON_MS + 5, parts={3: {"temp_c": 61.0}}),
        reading(CABINET, 1, NOON_MS, parts={1: {"temp_c": 20.0}, 3: {"state": "full"}}, smoke=False),
        reading(CABINET, 3, NOON_MS + 9, smoke=True),
    )
    with place.db.read() as connection:
        found = place.series.readings(connection, CABINET, NOON_MS, NOON_MS + 9)
        assert place.series.first_ms(connection, CABINET) == NOON_MS
        assert place.series.first_ms(connection, CABINET, 0, NOON_MS + 1) == NOON_MS + 5
        assert place.series.first_ms(connection, CABINET, 1, NOON_MS + 1) is None
        assert place.series.first_ms(connection, LOCK) is None
    assert [(one.at_ms - NOON_MS, one.seq, one.fields, one.parts) for one in found] == [
        (0, 1, {"smoke": False}, {1: {"temp_c": 20.0}, 3: {"state": "full"}}),
        (5, 2, {}, {3: {"temp_c": 61.0}}),
    ]


def test_a_message_comes_back_with_its_number_however_long_the_boot_has_lasted(place: Place) -> None:
    numbers = [0, 7, 999_999, 1_000_000, 12_345_678]
    place.append(*(reading(seq=seq, at_ms=NOON_MS + n, count_raw=n) for n, seq in enumerate(numbers)))
    with place.db.read() as connection:
        found = place.series.readings(connection, SENSOR, NOON_MS, NOON_MS + 9)
    assert [(one.fields["count_raw"], one.seq) for one in found] == list(enumerate(numbers))


def test_old_readings_go_and_young_ones_stay(db: Database) -> None:
    day_ms = 24 * 60 * MINUTE_MS
    for station in ("331002-0001", "331002-0002", "331003-0001"):
        device = DeviceId(station, "swap_cabinet", 1)
        rows = [
            reading(
                device, seq, NOON_MS + seq * day_ms // 4, parts={1: {"soc_pct": 5.0}, 2: {"soc_pct": 6.0}}
            )
            for seq in range(12)
        ]
        _append(db, *rows)
    after: str | None = ""
    turns = 0
    while after is not None:
        with db.write() as connection:
            after = SERIES.prune(connection, NOON_MS + 2 * day_ms, after, devices=2)
        turns += 1
    assert turns > 5
    with db.read() as connection:
        for table, rows_left in (
            (series_tables()["swap_cabinet"].own, 3 * 4),
            (series_tables()["swap_cabinet"].part, 3 * 4 * 2),
        ):
            assert table is not None
            oldest, count = connection.execute(sa.select(sa.func.min(table.c.at_ms), sa.func.count())).one()
            assert (oldest, count) == (NOON_MS + 2 * day_ms, rows_left)


def test_names_from_outside_command_nothing(place: Place) -> None:
    place.append(reading(seq=1, count_raw=1))
    for station in ('331002-0001" or true or "', "331002-0001\\", "${r.station}", '") |> yield(name: "x'):
        device = DeviceId(station, "occupancy_sensor", 1)
        assert _history(place, device, "count_raw") == []


def test_text_comes_back_letter_by_letter(place: Place) -> None:
    texts = ['a"b', "a\\", "a,b=c d", "两 行", "x\ny", " ", ""]
    for seq, text in enumerate(texts):
        place.append(reading(CABINET, seq, NOON_MS + seq, parts={1: {"battery": text}}))
    found = _history(place, CABINET, "battery", 1, step_ms=None, aggregate="last")
    assert [value for _, value in found] == texts


def test_a_day_in_steps_that_do_not_fit_it_is_the_same_everywhere(place: Place) -> None:
    chance = random.Random(7)
    values = [chance.uniform(-40, 60) for _ in range(1440)]
    rows = [
        reading(CABINET, i, NOON_MS + i * MINUTE_MS + i % 7, parts={2: {"temp_c": value}}, power_w=value + 50)
        for i, value in enumerate(values)
    ]
    place.append(*rows)
    step_ms, from_ms, to_ms = 7 * MINUTE_MS, NOON_MS + 30_000, NOON_MS + 1333 * MINUTE_MS
    expected: dict[int, list[float]] = {}
    for row in rows:
        if from_ms <= row.at_ms < to_ms:
            value = row.parts[2]["temp_c"]
            assert isinstance(value, float)
            expected.setdefault(row.at_ms - row.at_ms % step_ms, []).append(value)
    aggregates: dict[Aggregate, Callable[[list[float]], float]] = {
        "min": min, "max": max, "mean": fmean, "last": lambda all_: all_[-1]
    }  # fmt: skip
    for aggregate, reckon in aggregates.items():
        found = _history(
            place, CABINET, "temp_c", 2, step_ms=step_ms, aggregate=aggregate, from_ms=from_ms, to_ms=to_ms
        )
        assert [at for at, _ in found] == [at - NOON_MS for at in expected]
        reckoned = [reckon(step) for step in expected.values()]
        assert [value for _, value in found] == pytest.approx(reckoned, rel=1e-12)


def test_several_devices_read_at_once_say_what_each_says_alone(place: Place) -> None:
    elsewhere = DeviceId("331002-0002", "climate_sensor", 1)
    asked = (CABINET, SENSOR, elsewhere, DeviceId(STATION, "door_lock", 7))
    place.append(
        reading(CABINET, 2, NOON_MS + 5, parts={3: {"temp_c": 61.0, "state": "full"}}, smoke=True),
        reading(CABINET, 1, NOON_MS, extra={"new": 1}, parts={1: {"temp_c": 20.0}}, smoke=False),
    )
    place.append(reading(SENSOR, 3, NOON_MS, count_raw=4), reading(SENSOR, 4, NOON_MS + 9, count_raw=5))
    place.append(reading(elsewhere, 5, NOON_MS + 1, temp_c=21.5))
    place.append(reading(DeviceId("331002-0003", "climate_sensor", 1), 6, NOON_MS, temp_c=99.0))
    with place.db.read() as connection:
        found = place.series.readings_of(connection, asked, NOON_MS, NOON_MS + 9)
        alone = {one: place.series.readings(connection, one, NOON_MS, NOON_MS + 9) for one in asked}
        assert place.series.readings_of(connection, [], NOON_MS, NOON_MS + 9) == {}
        assert place.series.readings_of(connection, [LOCK], NOON_MS, NOON_MS) == {LOCK: []}

    assert found == alone
    assert [len(found[one]) for one in asked] == [2, 1, 1, 0]
