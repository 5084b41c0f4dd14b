"""A station's connection: confirmed publishes, its will, callbacks that fail, many in one loop."""

from __future__ import annotations

import statistics
import threading
from time import perf_counter

import pytest

from tests.transport.brokers import BULK, QUICK, AnyBroker, Broker
from tests.transport.conftest import StartHub, StartStation
from tests.waiting import eventually
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

pytestmark = pytest.mark.integration

LINK = "ws/330106/s1/quick/station/0/link"
COMMAND = "ws/330106/s1/down/door_lock/1/command"


def test_a_confirmed_publish_does_not_wait_for_a_delayed_acknowledgement(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    start_hub(broker)
    station = start_station(broker)
    took_s: list[float] = []
    for _ in range(50):
        confirmed = threading.Event()
        before_s = perf_counter()
        assert station.publish(QUICK, b"x", on_confirmed=lambda _ok, done=confirmed: done.set())  # type: ignore[misc]
        assert confirmed.wait(5.0)
        took_s.append(perf_counter() - before_s)
    print(f"QoS 1 round trip on {broker.kind}: median {statistics.median(took_s) * 1000:.2f} ms")
    assert sum(1 for one_s in took_s if one_s < 0.02) >= 30


def test_a_lost_connection_tells_every_unconfirmed_publish(
    nats: Broker, start_station: StartStation, loop: MqttLoop
) -> None:
    station = start_station(nats)
    outcomes: list[bool] = []
    gate = threading.Event()

    def hold_the_loop() -> None:
        gate.wait(5.0)

    loop.hand_over(hold_the_loop)
    for _ in range(3):
        assert station.publish(QUICK, b"x", on_confirmed=outcomes.append)
    station.disconnect(abruptly=True)
    gate.set()
    eventually(lambda: len(outcomes) == 3)
    assert outcomes == [False] * 3


def test_a_publish_that_was_under_way_when_the_broker_died_is_told_and_never_sent_again(
    nats: Broker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(nats), start_station(nats)
    outcomes: list[bool] = []
    nats.freeze()
    assert station.publish(QUICK, b"old", on_confirmed=outcomes.append)
    nats.kill()
    eventually(lambda: outcomes == [False])
    nats.start()
    eventually(lambda: station.ready and hub.status().ready)
    assert station.publish(QUICK, b"new", on_confirmed=outcomes.append)
    eventually(lambda: outcomes == [False, True])
    assert [message.payload for message in hub.take(0, 5.0).quick] == [b"new"]
    assert not hub.take(0, 0.3).quick


def test_the_will_is_sent_when_the_power_goes_and_not_when_a_station_leaves(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub = start_hub(broker)
    leaving = start_station(broker, "s2", will=("ws/330106/s2/quick/station/0/link", b"s2 gone"))
    station = start_station(broker, will=(LINK, b"s1 gone"))
    leaving.disconnect()
    eventually(lambda: not leaving.connected)
    station.disconnect(abruptly=True)
    batch = hub.take(0, 10.0)
    assert [message.payload for message in batch.quick] == [b"s1 gone"]
    assert not hub.take(0, 0.3).quick


def test_a_will_names_the_connection_it_belongs_to(
    nats: Broker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub = start_hub(nats)
    station = start_station(nats, will=lambda conn: (LINK, b"offline %d" % conn))
    for _ in range(2):
        eventually(lambda: station.ready)
        conn = station.conn
        station.disconnect(abruptly=True)
        assert [message.payload for message in hub.take(0, 10.0).quick] == [b"offline %d" % conn]
        station.connect()
    eventually(lambda: station.conn == 3)


def test_a_callback_that_fails_ends_neither_the_thread_nor_the_connection(
    nats: Broker, start_hub: StartHub, loop: MqttLoop
) -> None:
    heard: list[bytes] = []

    def on_down(_topic: str, payload: bytes) -> None:
        heard.append(payload)
        raise RuntimeError("a broken behaviour")

    def on_ready() -> None:
        raise RuntimeError("another one")

    hub = start_hub(nats)
    station = StationLink(loop, options(nats), on_down, on_ready)
    station.connect()
    eventually(lambda: station.ready)
    for n in range(3):
        assert hub.publish(COMMAND, b"%d" % n)
    eventually(lambda: heard == [b"0", b"1", b"2"])
    assert station.ready
    assert station.generation == 1
    assert loop.thread_alive
    assert loop.last_turn_age_s < 5.0


def test_work_that_fails_in_the_loop_does_not_end_it(loop: MqttLoop) -> None:
    def fail() -> None:
        raise RuntimeError("broken")

    done = threading.Event()
    loop.hand_over(fail)
    loop.hand_over(done.set)
    assert done.wait(5.0)
    assert loop.failures == 1
    assert loop.thread_alive


def test_a_callback_may_leave_and_come_back(nats: Broker, start_hub: StartHub, loop: MqttLoop) -> None:
    def on_down(_topic: str, _payload: bytes) -> None:
        station.disconnect()
        station.connect()

    hub = start_hub(nats)
    station = StationLink(loop, options(nats), on_down)
    station.connect()
    eventually(lambda: station.ready)
    assert hub.publish(COMMAND, b"reboot")
    eventually(lambda: station.generation == 2 and station.ready)


def test_a_station_answers_from_within_its_callback(
    nats: Broker, start_hub: StartHub, loop: MqttLoop
) -> None:
    hub = start_hub(nats)

    def on_down(_topic: str, payload: bytes) -> None:
        station.publish("ws/330106/s1/quick/door_lock/1/reply", b"nonce for " + payload)

    station = StationLink(loop, options(nats), on_down)
    station.connect()
    eventually(lambda: station.ready)
    assert hub.publish(COMMAND, b"prepare")
    assert [message.payload for message in hub.take(0, 5.0).quick] == [b"nonce for prepare"]


def test_two_hundred_stations_in_one_loop_all_come_back_after_a_broker_kill(
    nats: Broker, start_hub: StartHub, loop: MqttLoop
) -> None:
    hub = start_hub(nats)
    stations = [
        StationLink(loop, options(nats, f"s{n}", longest_backoff_s=0.5), lambda _topic, _payload: None)
        for n in range(200)
    ]
    for station in stations:
        station.connect()
    eventually(lambda: all(station.ready for station in stations), timeout_s=20.0)
    nats.kill()
    eventually(lambda: not any(station.connected for station in stations))
    nats.start()
    eventually(lambda: all(station.ready for station in stations), timeout_s=20.0)
    assert {station.generation for station in stations} == {2}
    eventually(lambda: hub.status().ready)
    for n, station in enumerate(stations):
        assert station.publish(BULK.replace("s1", f"s{n}"), b"%d" % n)
    got: set[bytes] = set()

    def all_here() -> bool:
        got.update(message.payload for message in hub.take(1_000, 0.2).bulk)
        return len(got) == 200

    eventually(all_here)


def options(broker: Broker, station: str = "s1", longest_backoff_s: float = 60.0) -> StationOptions:
    return StationOptions(
        host="127.0.0.1",
        port=broker.port,
        adcode="330106",
        station=station,
        client_id=f"station-{station}",
        longest_backoff_s=longest_backoff_s,
    )
