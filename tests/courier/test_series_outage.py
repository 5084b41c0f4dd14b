"""InfluxDB is killed, freezes, comes back empty, or has no room: nothing is lost and nothing is doubled."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from courier.series_sender import SenderOptions, SeriesSender
from domain.facts import Value
from domain.ids import DeviceId
from runtime.clock import WallClock
from storage import sending
from storage.database import Database
from storage.influx import Influx, InfluxAt, InfluxAway, InfluxLocked
from storage.influx_points import adcode_of, lines
from storage.influx_series import InfluxSeries
from storage.influx_setup import TASK, hourly_bucket, prepare
from tests import influx as influx_server
from tests.courier.conftest import START_MS, StepClock
from tests.courier.outbox_rows import SENSOR, arrived, keep, message, put_aside, sensors, unsent
from tests.influx import InfluxServer
from tests.waiting import eventually

pytestmark = pytest.mark.integration


class Hasty(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.05


@pytest.fixture
def server() -> Iterator[InfluxServer]:
    """One that may be hurt; only a binary can be."""
    program = influx_server.program()
    if program is None:
        pytest.skip("no influxd that could be killed: build one with .ci/influxd.sh")
    made = InfluxServer(program)
    made.start()
    yield made
    made.remove()


@pytest.fixture
def at(server: InfluxServer) -> InfluxAt:
    found = server.at("raw")
    prepare(found, 3650, 3650)
    return found


@pytest.fixture
def influx(at: InfluxAt) -> Iterator[Influx]:
    made = Influx(at, read_s=2.0, write_s=0.5)
    yield made
    made.close()


@contextmanager
def _running(db: Database, influx: Influx, clock: StepClock) -> Iterator[None]:
    stop = threading.Event()
    sender = SeriesSender(db, influx, clock, SenderOptions(retention_days=3650), None, Hasty())
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def _state(db: Database, word: str) -> Callable[[], bool]:
    def look() -> bool:
        with db.read() as connection:
            found = sending.sending(connection)
        return found is not None and found.state == word

    return look


def _at_most(db: Database, rows: int) -> Callable[[], bool]:
    return lambda: unsent(db) <= rows


def _once(first: int, count: int) -> Counter[int]:
    return Counter(dict.fromkeys(range(first, first + count), 1))


def test_killed_three_times_in_the_middle_of_the_work(
    db: Database, server: InfluxServer, influx: Influx, clock: StepClock
) -> None:
    keep(db, list(sensors(30_000, START_MS)))
    with _running(db, influx, clock):
        for turn, left in enumerate((22_000, 14_000, 6_000)):
            eventually(_at_most(db, left), 60, every_s=0.002)
            server.kill()
            keep(db, list(sensors(1_000, START_MS, first=30_000 + turn * 1_000)))
            eventually(_state(db, "away"), 20)
            server.start()
        eventually(_at_most(db, 0), 60)
    assert arrived(influx) == _once(0, 33_000)
    assert put_aside(db) == []


def test_frozen_it_costs_a_time_out_and_no_reading(
    db: Database, server: InfluxServer, influx: Influx, clock: StepClock
) -> None:
    with _running(db, influx, clock):
        keep(db, list(sensors(500, START_MS)))
        eventually(_at_most(db, 0), 20)
        server.freeze()
        keep(db, list(sensors(500, START_MS, first=500)))
        eventually(_state(db, "away"), 20)
        server.thaw()
        eventually(_at_most(db, 0), 20)
    assert arrived(influx) == _once(0, 1000)


def test_frozen_it_keeps_nobody_from_the_database(
    db: Database, server: InfluxServer, influx: Influx, clock: StepClock
) -> None:
    series = InfluxSeries(Influx(influx.at, read_s=0.3), clock)
    device = DeviceId("331002-0000", SENSOR, 1)
    server.freeze()
    for _ in range(3):
        with db.read() as connection, pytest.raises(InfluxAway):
            series.history(connection, device, "count_raw", 0, 0, START_MS, 3_600_000 * 24 * 30, "mean")
    server.thaw()
    clock.move_s(4)
    with db.read() as connection:
        assert series.first_ms(connection, device) is None


def test_back_empty_it_is_told_so_loudly_and_gets_all_that_it_never_had(
    db: Database, server: InfluxServer, influx: Influx, at: InfluxAt, clock: StepClock
) -> None:
    with _running(db, influx, clock):
        keep(db, list(sensors(300, START_MS)))
        eventually(_at_most(db, 0), 20)
        server.kill()
        server.empty()
        keep(db, list(sensors(700, START_MS, first=300)))
        server.start()
        eventually(_state(db, "locked"), 20)
        assert unsent(db) == 700
        prepare(at, 3650, 3650)
        eventually(_at_most(db, 0), 20)
    assert arrived(influx) == _once(300, 700)


def test_without_room_it_waits_until_there_is_some(db: Database, clock: StepClock, tmp_path: Path) -> None:
    program = influx_server.program()
    if program is None:
        pytest.skip("no influxd that could run out of room: build one with .ci/influxd.sh")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root can make a small disk")
    server = InfluxServer(program, folder)
    try:
        server.start()
        at = server.at("raw")
        prepare(at, 3650, 3650)
        influx = Influx(at, write_s=5.0)
        free = _free_bytes(folder)
        ballast = folder / "ballast"
        with ballast.open("wb") as file:
            file.write(b"\0" * max(0, free - 100_000))
        keep(db, list(sensors(12_000, START_MS)))
        with _running(db, influx, clock):
            eventually(_state(db, "away"), 30)
            assert unsent(db) > 0
            ballast.unlink()
            eventually(_at_most(db, 0), 60)
        assert arrived(influx) == _once(0, 12_000)
        influx.close()
    finally:
        server.kill()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_set_up_twice_changes_nothing_and_a_new_retention_is_taken_over(server: InfluxServer) -> None:
    at = server.at("raw")
    first = prepare(at, 30, 730)
    assert any("set up" in line for line in first)
    assert any(hourly_bucket(at) in line for line in first)
    assert prepare(at, 30, 730) == []
    assert prepare(at, 60, 730) == ["The bucket raw now keeps 60 days."]
    assert prepare(at._replace(bucket="other"), 30, 730) != []
    with pytest.raises(InfluxLocked, match="WAYSTATION_INFLUX_TOKEN"):
        prepare(at._replace(token="not-the-token"), 30, 730)


def test_the_hourly_task_fills_the_hourly_bucket(
    db: Database, influx: Influx, at: InfluxAt, clock: StepClock
) -> None:
    now_ms = WallClock().now_ms()
    hour_ms = now_ms - now_ms % 3_600_000 - 3_600_000
    rows = [
        message(1, 1, hour_ms, count_raw=2, presence=True)._replace(
            fields={"count_raw": 2, "presence": True}
        ),
        message(1, 2, hour_ms + 60_000)._replace(fields={"count_raw": 5, "presence": False}),
        message(1, 3, hour_ms + 90_000, "door_lock")._replace(fields={"bolt": "locked"}),
    ]
    points = [line for row in rows for line in lines(adcode_of(row.device, row.topic), row)]
    influx.write("\n".join(points).encode())
    tasks = influx.client.tasks_api()
    (task,) = tasks.find_tasks(name=TASK)
    tasks.run_manually(task_id=task.id)
    flux = (
        'from(bucket: p_bucket) |> range(start: -6h) |> filter(fn: (r) => r.station == "331002-0000")'
        ' |> keep(columns: ["_time", "_value", "_field"])'
    )
    expected: dict[str, tuple[int, Value]] = {
        "count_raw_mean": (hour_ms, 3.5),
        "count_raw_max": (hour_ms, 5.0),
        "count_raw_count": (hour_ms, 2),
        "presence_mean": (hour_ms, 0.5),
        "bolt_last": (hour_ms, "locked"),
    }

    def filled() -> bool:
        asked = influx.ask(flux, {"p_bucket": hourly_bucket(at)})
        found = {row.field: (row.at_ns // 10**6, row.value) for row in asked}
        return {name: found.get(name) for name in expected} == expected

    eventually(filled, 30, every_s=0.1)
