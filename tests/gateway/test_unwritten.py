"""Rows of boots and states may be a minute old: a gateway that starts finds the rest in the readings."""

from __future__ import annotations

import json

import pytest

from devices.state import DeviceState
from domain import topics
from gateway.fleet import Fleet
from gateway.loading import load_fleet
from gateway.unwritten import WRITE_AGES_AFTER_MS, WRITE_NUMBERS_AFTER_MS, WRITE_PARTS_AFTER_MS
from storage.inflow import Inflow
from storage.series import SqlSeries
from storage.series_outbox import Outbox
from storage.states import get_state, states_of
from tests.gateway.house import ADCODE, Box, House
from tests.gateway.skipping_clock import skip_along
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration


@pytest.fixture(params=[SqlSeries, Outbox], ids=["series", "outbox"])
def series(request: pytest.FixtureRequest) -> Inflow:
    made: Inflow = request.param()
    return made


def _report(box: Box, times: int) -> int:
    seq = 0
    for _ in range(times):
        seq = box.report("occupancy_sensor", count_raw=2, presence=True)
    eventually(lambda: box.promised(seq), 10)
    return seq


def _upto(house: House, box: Box) -> int:
    return int(house.rows("SELECT upto FROM boot WHERE station=:s", s=box.station)[0][0])


def test_numbers_that_were_promised_are_known_after_a_restart_though_not_written(
    house: House, loop: MqttLoop, series: Inflow
) -> None:
    house.gateway(series)
    box = Box(house, loop)
    box.online()
    _report(box, 1)
    seq = _report(box, 6)
    assert _upto(house, box) < seq, "nothing but readings came, so the row may wait"
    house.stop_gateways()
    fresh = Fleet()
    load_fleet(house.database, series, fresh, 0)
    speaker = next(one for one in fresh.speakers.values() if one.id.station == box.station)
    assert speaker.current is not None
    assert (speaker.current.watermark.upto, speaker.current.watermark.ranges) == (seq, [])
    device = box.device("occupancy_sensor")
    assert fresh.states[device].own.marks["count_raw"].seq == seq


def test_what_is_sent_again_after_a_restart_is_known_and_kept_once(
    house: House, loop: MqttLoop, series: Inflow
) -> None:
    house.gateway(series)
    box = Box(house, loop)
    box.online()
    first = box.seq
    seq = _report(box, 5)
    house.stop_gateways()
    house.gateway(series)
    box.acks.clear()
    for again in range(first, seq + 1):
        body = box.envelope(count_raw=2, presence=True)
        body["seq"], box.seq = again, seq + 1
        box.say(topics.telemetry(ADCODE, box.device("occupancy_sensor")), body)
    eventually(lambda: box.promised(seq), 10)
    table = "series_outbox" if isinstance(series, Outbox) else "series_occupancy_sensor"
    kept = [row[0] for row in house.rows(f"SELECT seq FROM {table} WHERE boot=:b", b=box.boot)]
    assert len(kept) == len(set(kept))
    assert set(kept) >= set(range(first, seq + 1))


def test_after_some_minutes_the_rows_are_written_by_themselves(
    house: House, loop: MqttLoop, series: Inflow
) -> None:
    clock, box = skip_along(house, loop, series)
    _report(box, 1)
    seq = _report(box, 4)
    clock.skip(minutes=WRITE_AGES_AFTER_MS / 60_000 + 0.1)
    eventually(lambda: _upto(house, box) == seq, 10, saying="the boot's row is as new as memory")

    def marked() -> bool:
        with house.database.read() as connection:
            row = get_state(connection, box.device("occupancy_sensor"))
        assert row is not None
        return DeviceState.from_json(row.state, row.ages).own.marks["count_raw"].seq == seq

    eventually(marked, 10, saying="what is written is as new as memory")


def _temperatures(house: House) -> dict[str, float]:
    rows = house.rows("SELECT state FROM device_state WHERE kind='swap_cabinet'")
    return {n: part[0]["temp_c"] for n, part in json.loads(rows[0][0])["parts"].items() if n != "0"}


def _warm_up(box: Box, *temperatures: float) -> int:
    seq = 0
    for temp_c in temperatures:
        slots = [{"n": n, "state": "charging", "temp_c": temp_c + n} for n in (1, 2)]
        seq = box.report("swap_cabinet", slots=slots)
        eventually(lambda seq=seq: box.promised(seq), 10)  # type: ignore[misc]
    return seq


def test_a_cabinet_that_was_written_a_moment_ago_waits_and_a_restart_finds_what_it_said_since(
    house: House, loop: MqttLoop
) -> None:
    gateway = house.gateway(Outbox())
    box = Box(house, loop)
    box.online()
    _warm_up(box, 30.0, 31.0, 32.0, 34.0)
    house.stop_gateways()
    assert _temperatures(house) == {"1": 31.0, "2": 32.0}, "of the first report"
    fresh = Fleet()
    load_fleet(house.database, Outbox(), fresh, 0)
    device = box.device("swap_cabinet")
    assert {n: facts.values["temp_c"] for n, facts in fresh.states[device].parts.items() if n} == {
        1: 35.0, 2: 36.0,
    }  # fmt: skip
    assert fresh.states[device].parts == gateway._fleet.states[device].parts, "derived facts and ages, too"


def test_ages_of_all_of_a_station_are_written_at_once_but_not_beyond_values_that_wait(
    house: House, loop: MqttLoop
) -> None:
    clock, box = skip_along(house, loop)
    _warm_up(box, 30.0)
    _report(box, 1)
    seq = _report(box, 2)
    clock.skip(minutes=WRITE_AGES_AFTER_MS / 60_000 - 0.1)
    last = _warm_up(box, 30.0, 31.0, 32.0)
    clock.skip(minutes=0.11)

    def written() -> dict[str, DeviceState]:
        with house.database.read() as connection:
            return {
                row.device.kind: DeviceState.from_json(row.state, row.ages)
                for row in states_of(connection, box.station)
            }

    def is_as_young_as_said() -> bool:
        counted = written()["occupancy_sensor"].own.mark("count_raw")
        return counted is not None and counted.seq == seq

    eventually(is_as_young_as_said, 10, saying="the counter's age is written")
    slot = written()["swap_cabinet"].parts[1]
    mark = slot.mark("temp_c")
    assert mark is not None
    # Either the state has been written by now, or its values wait together with their age.
    assert (slot.values["temp_c"], mark.seq) in {(32.0, last - 1), (33.0, last)}


def test_a_device_that_never_told_anything_but_was_heard_is_known_to_be_there(
    house: House, loop: MqttLoop
) -> None:
    house.gateway(Outbox())
    box = Box(house, loop)
    box.online()
    seq = box.report("occupancy_sensor")
    eventually(lambda: box.promised(seq), 10)
    with house.database.read() as connection:
        row = get_state(connection, box.device("occupancy_sensor"))
    assert row is not None
    assert row.seen_ms is not None


def test_a_cabinet_that_waits_is_written_soon(house: House, loop: MqttLoop) -> None:
    clock, box = skip_along(house, loop)
    _warm_up(box, 30.0, 31.0)
    assert _temperatures(house)["1"] == 31.0
    clock.skip(minutes=WRITE_NUMBERS_AFTER_MS / 60_000 + 0.01)
    eventually(lambda: _temperatures(house)["1"] == 32.0, 10, saying="the row is as new as memory")


def test_a_cabinet_that_tells_more_than_numbers_is_written_sooner(house: House, loop: MqttLoop) -> None:
    clock, box = skip_along(house, loop)
    _warm_up(box, 30.0, 31.0)
    seq = box.report("swap_cabinet", slots=[{"n": 1, "battery": "BT7"}])
    eventually(lambda: box.promised(seq), 10)
    assert _temperatures(house)["1"] == 31.0
    clock.skip(minutes=WRITE_PARTS_AFTER_MS / 60_000 + 0.01)
    eventually(lambda: _temperatures(house)["1"] == 32.0, 10, saying="the row is as new as memory")


def test_what_makes_a_cabinet_dangerous_is_written_at_once(house: House, loop: MqttLoop) -> None:
    house.gateway(Outbox())
    box = Box(house, loop)
    box.online()
    _warm_up(box, 30.0, 70.0)
    assert _temperatures(house)["1"] == 71.0
