"""Readings leave the outbox for InfluxDB: each at least once, each one point, and none blocks the rest."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from courier.channel import RecordingChannel
from courier.hub_words import HubWords
from courier.series_batch import POINTS_AT_ONCE
from courier.series_sender import SenderOptions, SeriesSender
from domain.ids import DeviceId
from storage import parked, rollups, sending
from storage.database import Database
from storage.influx import Influx, InfluxAway, InfluxLocked
from storage.influx_series import InfluxSeries
from storage.outbox_tables import outbox
from storage.rollup_tables import late_hour
from storage.rollups import HOUR_MS
from tests.courier.conftest import START_MS, StepClock
from tests.courier.influx_proxy import InfluxProxy, Verdict
from tests.courier.outbox_rows import CABINET, arrived, keep, message, put_aside, sensors, unsent
from tests.waiting import eventually

pytestmark = pytest.mark.integration


class Hasty(random.Random):
    """Waits no longer than a moment."""

    def uniform(self, a: float, b: float) -> float:
        return 0.01


Make = Callable[..., SeriesSender]


@pytest.fixture
def make(db: Database, influx: Influx, clock: StepClock) -> Make:
    def new(**options: int) -> SeriesSender:
        return SeriesSender(db, influx, clock, SenderOptions(**options), words, Hasty())

    words = HubWords([], clock, "")
    return new


@contextmanager
def _running(sender: SeriesSender) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def _drained(db: Database) -> None:
    eventually(lambda: unsent(db) == 0, 30)


def _once(count: int) -> Counter[int]:
    return Counter(dict.fromkeys(range(count), 1))


def test_what_was_kept_arrives_as_it_was_said(
    db: Database, influx: Influx, clock: StepClock, make: Make
) -> None:
    slots = [{"n": 1, "temp_c": 20, "state": "full"}, {"n": 12, "soc_pct": 5.5, "temp_c": None}]
    keep(
        db,
        [
            *sensors(300, START_MS),
            message(1, 7, START_MS, CABINET, smoke=False, slots=slots, power_w=12, odd={"a": [1]}),
        ],
    )
    assert make().round() == 301
    assert arrived(influx) == _once(300)
    series = InfluxSeries(influx, clock)
    device = DeviceId("331002-0000", CABINET, 1)
    with db.read() as connection:
        (found,) = series.readings(connection, device, START_MS - HOUR_MS, START_MS + HOUR_MS)
        state = sending.sending(connection)
    assert found.fields == {"smoke": False, "power_w": 12.0}
    assert found.parts == {1: {"temp_c": 20.0, "state": "full"}, 12: {"soc_pct": 5.5}}
    assert (found.boot, found.seq, found.at_ms, found.received_ms) == ("b1", 7, START_MS, START_MS)
    ((_, beside),) = series.messages(device, START_MS, START_MS + 1)
    assert beside == {"device_ts_ms": START_MS - 5, "extra": '{"odd":{"a":[1]}}'}
    assert state is not None
    assert (state.messages, state.points, state.parked, state.waiting) == (301, 303, 0, 0)


def test_what_was_sent_leaves_the_outbox(db: Database, make: Make) -> None:
    keep(db, list(sensors(3000, START_MS)))
    sender = make()
    while sender.round():
        pass
    with db.read() as connection:
        left = connection.scalar(sa.select(sa.func.count()).select_from(outbox))
    assert left == 1, "only the newest stays, which numbers the next"


class OnePause(threading.Event):
    """Ends the work when it pauses for the first time."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def test_full_batches_follow_each_other_and_a_smaller_one_is_followed_by_a_pause(
    db: Database, proxy: InfluxProxy, make: Make
) -> None:
    keep(db, list(sensors(POINTS_AT_ONCE + 300, START_MS)))
    make().run(OnePause())
    assert unsent(db) == 0
    assert proxy.writes == [POINTS_AT_ONCE, 300]


def test_a_line_that_breaks_after_the_write_doubles_nothing(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make
) -> None:
    keep(db, list(sensors(2000, START_MS)))
    cuts = iter([Verdict(0), Verdict(0), Verdict(0)])
    proxy.judge = lambda _: next(cuts, None)
    with _running(make()):
        _drained(db)
    assert len(proxy.taken) == 4 * 2000
    assert arrived(influx) == _once(2000)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_cannot_take_anything_now_is_asked_again(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make, status: int
) -> None:
    keep(db, list(sensors(500, START_MS)))
    noes = iter([Verdict(status, headers=(("Retry-After", "0"),))] * 4)
    proxy.judge = lambda _: next(noes, None)
    with _running(make()):
        _drained(db)
    assert len(proxy.writes) == 5
    assert arrived(influx) == _once(500)
    assert put_aside(db) == []


def test_a_server_that_asks_for_time_gets_it(db: Database, proxy: InfluxProxy, make: Make) -> None:
    keep(db, list(sensors(5, START_MS)))
    proxy.judge = lambda _: Verdict(503, headers=(("Retry-After", "7"),))
    with pytest.raises(InfluxAway, match="503") as refused:
        make().round()
    assert refused.value.retry_after_s == 7
    assert unsent(db) == 5


def test_a_batch_that_is_too_large_is_split(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make
) -> None:
    keep(db, list(sensors(700, START_MS)))
    proxy.judge = lambda body: Verdict(413) if body.count(b"\n") >= 100 else None
    assert make().round() == 700
    assert arrived(influx) == _once(700)
    assert len(proxy.taken) == 700
    assert put_aside(db) == []


def tells(body: bytes, *numbers: int) -> bool:
    """True when one of these messages is in what is written: the time of a point ends with its number."""
    ends = tuple(b"%06d" % number for number in numbers)
    return any(line.endswith(ends) for line in body.splitlines())


def test_a_message_that_no_server_would_take_is_put_aside_and_the_rest_arrives(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    keep(db, list(sensors(1000, START_MS)))
    words = b'{"code":"invalid","message":"unable to parse: as the test wishes"}'
    proxy.judge = lambda body: Verdict(400, words) if tells(body, 37, 38, 999) else None
    with caplog.at_level(logging.ERROR):
        assert make().round() == 1000
    assert sorted(arrived(influx)) == [n for n in range(1000) if n not in (37, 38, 999)]
    found = put_aside(db)
    assert [(one.seq, one.status, one.times) for one in found] == [(999, 400, 1), (38, 400, 1), (37, 400, 1)]
    assert {one.said for one in found} == {"unable to parse: as the test wishes"}
    assert "3 messages were put aside" in caplog.text


def test_what_was_put_aside_is_sent_again_when_somebody_asks(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make, clock: StepClock
) -> None:
    keep(db, list(sensors(50, START_MS)))
    proxy.judge = lambda body: Verdict(422) if tells(body, 7, 8) else None
    sender = make()
    sender.round()
    proxy.judge = lambda body: Verdict(422) if tells(body, 8) else None
    with db.write() as connection:
        assert parked.mark(connection, "again") == 2
    clock.move_s(10)
    assert sender.round() == 2
    assert [(one.seq, one.times) for one in put_aside(db)] == [(8, 2)]
    assert arrived(influx) == Counter({n: 1 for n in range(50) if n != 8})


def test_a_type_that_does_not_fit_what_is_there_puts_aside_those_it_concerns(
    db: Database, influx: Influx, make: Make
) -> None:
    influx.write(f"occupancy_sensor,station=x count_raw=1.5 {START_MS * 10**6}".encode())
    rows = [
        message(n, n, START_MS + n, count_raw=1) if n % 5 == 0 else message(n, n, START_MS + n)
        for n in range(40)
    ]
    keep(db, rows)
    assert make().round() == 40
    assert sorted(arrived(influx)) == [n for n in range(40) if n % 5]
    found = put_aside(db)
    assert sorted(one.seq for one in found) == [n for n in range(40) if not n % 5]
    assert all("field type conflict" in one.said and one.status == 422 for one in found)


def test_what_cannot_be_read_any_more_is_put_aside_too(db: Database, influx: Influx, make: Make) -> None:
    gone = message(1, 0, START_MS)._replace(topic="ws/331002/331002-0000/bulk/toaster/1/telemetry")
    keep(db, [gone, *sensors(3, START_MS, first=1)])
    assert make().round() == 4
    assert sorted(arrived(influx)) == [1, 2, 3]
    (found,) = put_aside(db)
    assert (found.status, "toaster" in found.said, found.payload) == (0, True, gone.payload)


def test_a_wrong_token_is_said_loudly_once_and_nothing_is_lost(
    db: Database, influx: Influx, clock: StepClock, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Influx(influx.at._replace(token="not-the-token"))
    channel = RecordingChannel()
    words = HubWords([channel], clock, "https://hub.example.org")
    keep(db, list(sensors(20, START_MS)))
    with caplog.at_level(logging.INFO):
        sender = SeriesSender(db, wrong, clock, SenderOptions(), words, Hasty())
        with _running(sender):
            eventually(lambda: len(channel.messages) == 1)
        with db.read() as connection:
            state = sending.sending(connection)
    wrong.close()
    assert state is not None
    assert (state.state, state.waiting) == ("locked", 20)
    assert "WAYSTATION_INFLUX_TOKEN" in state.said
    loud = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(loud) == 1
    assert "not-the-token" not in caplog.text
    assert channel.messages[0].body["text_en"].startswith("[Major] InfluxDB refuses our token")
    with pytest.raises(InfluxLocked, match="db init"):
        Influx(influx.at._replace(bucket="nobody's")).write(b"m x=1")


def test_what_is_older_than_influxdb_keeps_is_not_sent_but_stays_as_hours(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make
) -> None:
    old_ms = START_MS - 8 * 86_400_000
    keep(db, [*sensors(10, old_ms), *sensors(10, START_MS, first=10)])
    assert make(retention_days=7).round() == 20
    assert sorted(arrived(influx)) == list(range(10, 20))
    assert proxy.writes == [10]
    with db.read() as connection:
        state = sending.sending(connection)
        hours = rollups.between(connection, DeviceId("331002-0000", "occupancy_sensor", 3), 0, START_MS)
    assert state is not None
    assert (state.too_old, state.messages) == (10, 10)
    assert [(hour.messages, hour.metrics["count_raw"].last) for hour in hours] == [(1, 3)]


def test_hours_that_were_rolled_up_meanwhile_are_marked_when_their_readings_arrive(
    db: Database, make: Make, clock: StepClock
) -> None:
    keep(db, [message(1, 0, START_MS - 5 * HOUR_MS), message(1, 1, START_MS)])
    make().round()
    with db.read() as connection:
        marks = connection.execute(sa.select(late_hour)).all()
    assert [(mark.station, mark.hour_ms) for mark in marks] == [
        ("331002-0000", rollups.hour_of(START_MS - 5 * HOUR_MS))
    ]


def test_one_sends_at_a_time_and_the_next_takes_over(
    db: Database, influx: Influx, make: Make, clock: StepClock
) -> None:
    first, second = make(), make()
    keep(db, list(sensors(10, START_MS)))
    assert first.round() == 10
    keep(db, list(sensors(10, START_MS, first=10)))
    assert second.round() == 0
    clock.move_s(61)
    assert second.round() == 10
    keep(db, list(sensors(10, START_MS, first=20)))
    assert first.round() == 0, "it has found out that it no longer sends"
    assert second.round() == 10
    assert arrived(influx) == _once(30)


def test_who_was_replaced_while_writing_moves_nothing(
    db: Database, influx: Influx, proxy: InfluxProxy, make: Make, clock: StepClock
) -> None:
    keep(db, list(sensors(10, START_MS)))
    slow, quick = make(), make()

    def replaced(_: bytes) -> None:
        proxy.judge = lambda _: None
        clock.move_s(100)
        assert quick.round() == 10
        keep(db, list(sensors(10, START_MS, first=10)))

    proxy.judge = replaced
    assert slow.round() == 0
    assert unsent(db) == 10
    assert quick.round() == 10
    assert arrived(influx) == _once(20)


def test_many_couriers_lose_and_double_nothing(migrated_url: str, influx: Influx, clock: StepClock) -> None:
    from storage.database import open_database

    db = open_database(migrated_url)
    keep(db, list(sensors(6000, START_MS)))
    senders = [SeriesSender(db, influx, clock, SenderOptions(), None, Hasty()) for _ in range(3)]
    with _running(senders[0]), _running(senders[1]), _running(senders[2]):
        _drained(db)
        keep(db, list(sensors(500, START_MS, first=6000)))
        _drained(db)
    assert arrived(influx) == _once(6500)
    with db.read() as connection:
        state = sending.sending(connection)
    db.close()
    assert state is not None
    assert state.messages == 6500


def test_an_outbox_that_fills_warns_early_and_then_keeps_the_oldest_as_hours(
    db: Database, influx: Influx, proxy: InfluxProxy, clock: StepClock, caplog: pytest.LogCaptureFixture
) -> None:
    channel = RecordingChannel()
    words = HubWords([channel], clock, "")
    sender = SeriesSender(db, influx, clock, SenderOptions(outbox_max_bytes=600_000), words, Hasty())
    proxy.judge = lambda _: Verdict(503)
    told = []
    for step in range(6):
        keep(db, list(sensors(1000, START_MS - HOUR_MS, first=step * 1000)))
        clock.move_s(11)
        with pytest.raises(InfluxAway):
            sender.round()
        told.append(len(channel.messages))
    assert told[0] == 1, "long before it is full"
    assert "等待写入时序数据库" in channel.messages[0].body["text_zh"]
    with db.read() as connection:
        state = sending.sending(connection)
        rows, size = sending.measure(connection)
        kept = connection.scalar(sa.text("SELECT sum(messages) FROM rollup"))
        left = connection.scalar(sa.select(sa.func.count()).select_from(outbox))
    assert state is not None
    assert size <= 600_000
    assert state.rolled_up == kept == 6000 - rows
    assert left == rows
    proxy.judge = lambda _: None
    clock.move_s(11)
    while sender.round():
        pass
    assert sorted(arrived(influx)) == list(range(6000 - rows, 6000)), "the youngest are whole"
    clock.move_s(11)
    sender.round()
    assert channel.messages[-1].body["text_en"].startswith("[Over]")


def test_a_big_backlog_is_sent_in_batches_of_bounded_size(
    db: Database, proxy: InfluxProxy, make: Make
) -> None:
    slots = [{"n": n, "temp_c": 20.5} for n in range(1, 49)]
    keep(db, [message(n, n, START_MS, CABINET, slots=slots) for n in range(400)])
    sender = make()
    while sender.round():
        pass
    assert sum(proxy.writes) == 400 * 49
    assert max(proxy.writes) < 5_050
