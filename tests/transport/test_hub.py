"""The gateway's link over real brokers: nothing doubled, nothing acknowledged wrongly, nothing late."""

from __future__ import annotations

from collections import Counter
from threading import Timer
from time import perf_counter

import pytest

from tests.transport.brokers import BULK, QUICK, AnyBroker, Broker
from tests.transport.conftest import StartHub, StartStation
from tests.waiting import eventually
from transport.hub import HubLink, LaneName
from transport.inbox import Incoming
from transport.station_link import StationLink

pytestmark = pytest.mark.integration

FOR_EVER_S = 3_600.0


def take_until(hub: HubLink, count: int, timeout_s: float = 10.0) -> list[Incoming]:
    """At least `count` messages, or whatever came within the time."""
    got: list[Incoming] = []
    deadline_s = perf_counter() + timeout_s
    while len(got) < count and perf_counter() < deadline_s:
        batch = hub.take(1_000, 0.2)
        got += batch.quick + batch.bulk
    return got


def take_a_first(hub: HubLink, station: StationLink) -> None:
    """From now on what is quick is gathered. Who then waits for ever is ended by the test's own time-out."""
    station.publish(QUICK, b"first")
    assert [message.payload for message in hub.take(1_000, 5.0).quick] == [b"first"]


def test_a_message_that_is_not_acknowledged_is_not_doubled_by_the_brokers_repetitions(
    nats: Broker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(nats), start_station(nats)
    for n in range(50):
        assert station.publish(QUICK, b"%d" % n)
    eventually(lambda: hub.status().lanes["quick"].repeated >= 100, saying="two rounds of repetitions")
    got = take_until(hub, 50)
    assert [message.payload for message in got] == [b"%d" % n for n in range(50)]
    assert not hub.take(1_000, 0.0).quick
    hub.acknowledge("quick", [(message.generation, message.mid) for message in got])
    eventually(lambda: hub.status().lanes["quick"].unacknowledged == 0)
    repeated = hub.status().lanes["quick"].repeated
    assert not hub.take(1_000, 1.5).quick
    assert hub.status().lanes["quick"].repeated == repeated


def test_a_message_taken_and_not_acknowledged_comes_again_on_the_next_connection(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    first = start_hub(broker)
    assert start_station(broker).publish(QUICK, b"sos")
    assert [message.payload for message in take_until(first, 1)] == [b"sos"]
    first.stop()
    second = start_hub(broker)
    assert [message.payload for message in take_until(second, 1)] == [b"sos"]


def test_an_acknowledgement_from_before_a_broker_restart_does_not_touch_the_message_that_has_its_id_now(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(broker), start_station(broker)
    assert station.publish(QUICK, b"A")
    old = take_until(hub, 1)
    broker.kill()
    eventually(lambda: not hub.status().lanes["quick"].connected)
    broker.start()
    eventually(lambda: hub.status().ready and station.ready)
    assert hub.status().lanes["quick"].generation == old[0].generation + 1
    assert station.publish(QUICK, b"B")
    new: list[Incoming] = []

    def b_is_here() -> bool:
        new.extend(hub.take(1_000, 0.2).quick)
        return any(message.payload == b"B" for message in new)

    eventually(b_is_here, timeout_s=10.0)
    hub.acknowledge("quick", [(old[0].generation, message.mid) for message in [*old, *new]])
    eventually(lambda: hub.status().lanes["quick"].stale_acks == len(new) + 1)
    hub.stop()
    again = start_hub(broker)
    assert b"B" in {message.payload for message in take_until(again, 2, 4.0)}


def test_after_a_broker_kill_both_lanes_come_back_and_hear_again(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(broker), start_station(broker)
    for _ in range(2):
        before = hub.status()
        broker.kill()
        eventually(lambda: not any(lane.connected for lane in hub.status().lanes.values()))
        broker.start()
        eventually(lambda: hub.status().ready and station.ready)
        after = hub.status()
        for name, lane in after.lanes.items():
            assert lane.generation == before.lanes[name].generation + 1
            assert lane.losses == before.lanes[name].losses + 1
        assert station.publish(QUICK, b"door")
        assert station.publish(BULK, b"warm")
        payloads = {message.payload for message in take_until(hub, 2)}
        assert payloads == {b"door", b"warm"}
        hub.take(1_000, 0.0)


def test_what_is_published_without_a_connection_is_refused_and_never_arrives_later(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    heard: list[tuple[str, bytes]] = []
    hub, station = start_hub(broker), start_station(broker, heard=heard)
    broker.kill()
    eventually(lambda: not station.connected and not hub.status().lanes["quick"].connected)
    assert not hub.publish("ws/330106/s1/down/door_lock/1/command", b"unlock")
    hub.acknowledge("quick", [], [("ws/330106/s1/down/door_lock/1/command", b"late ack")])
    assert not station.publish(QUICK, b"late", qos=1)
    assert not station.publish(QUICK, b"late", qos=0)
    broker.start()
    eventually(lambda: hub.status().ready and station.ready)
    assert station.publish(QUICK, b"new")
    assert hub.publish("ws/330106/s1/down/door_lock/1/command", b"new")
    assert [message.payload for message in take_until(hub, 1)] == [b"new"]
    eventually(lambda: heard)
    assert not hub.take(1_000, 0.3).quick
    assert [payload for _, payload in heard] == [b"new"]
    assert hub.status().lanes["quick"].unsent_publishes == 1


def test_twenty_thousand_messages_arrive_exactly_once_and_every_ack_goes_out(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    count = 20_000
    heard: list[tuple[str, bytes]] = []
    hub = start_hub(broker)
    station = start_station(broker, heard=heard)
    confirmed: list[bool] = []
    got: Counter[bytes] = Counter()
    sent = 0
    deadline_s = perf_counter() + 60.0
    while sum(got.values()) < count and perf_counter() < deadline_s:
        for _ in range(min(2_000, count - sent, 8_000 - (sent - len(confirmed)))):
            assert station.publish(BULK, b"%d" % sent, on_confirmed=confirmed.append)
            sent += 1
        batch = hub.take(1_000, 0.2)
        got.update(message.payload for message in batch.bulk)
        hub.acknowledge(
            "bulk",
            [(message.generation, message.mid) for message in batch.bulk],
            [("ws/330106/s1/down/station/0/ack", message.payload) for message in batch.bulk],
        )
    assert got == Counter(b"%d" % n for n in range(count))
    eventually(lambda: len(heard) == count, timeout_s=10.0)
    assert [payload for _, payload in heard] == list(got)
    eventually(lambda: len(confirmed) == count)
    assert all(confirmed)
    status = hub.status().lanes["bulk"]
    assert (status.accepted, status.unacknowledged, status.losses) == (count, 0, 0)
    hub.stop()
    again = start_hub(broker)
    assert not again.take(1_000, 1.5).bulk


def test_quick_comes_first_and_whole_while_bulk_is_limited(
    nats: Broker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(nats), start_station(nats)
    for n in range(30):
        station.publish(BULK, b"b%d" % n)
        station.publish(QUICK, b"q%d" % n)
    eventually(lambda: all(lane.inbox_depth == 30 for lane in hub.status().lanes.values()))
    assert [message.payload for message in hub.take(0, 0.0).quick] == [b"q%d" % n for n in range(30)]
    status = hub.status().lanes
    assert status["bulk"].inbox_depth == 30
    assert len(hub.take(7, 0.0).bulk) == 7


def test_bulk_that_is_there_goes_along_with_quick_unless_somebody_waits_at_a_door(
    nats: Broker, start_hub: StartHub, start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.hub.BULK_EVERY_S", 600.0)
    hub, station = start_hub(nats), start_station(nats)

    def arrive(topic: str, payload: bytes) -> None:
        station.publish(topic, payload)
        lane: LaneName = "quick" if topic == QUICK else "bulk"
        eventually(lambda: hub.status().lanes[lane].inbox_depth == 1)

    arrive(BULK, b"first")
    assert [message.payload for message in hub.take(1_000, 5.0).bulk] == [b"first"]
    arrive(BULK, b"second")
    arrive(QUICK, b"door")
    batch = hub.take(1_000, 5.0, urgent=True)
    assert ([message.payload for message in batch.quick], batch.bulk) == ([b"door"], [])
    arrive(QUICK, b"leak")
    batch = hub.take(1_000, 5.0)
    assert [message.payload for message in batch.quick + batch.bulk] == [b"leak", b"second"]


def test_quick_that_follows_closely_on_another_is_taken_together(
    nats: Broker, start_hub: StartHub, start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.hub.QUICK_EVERY_S", 2.0)
    hub, station = start_hub(nats), start_station(nats)
    take_a_first(hub, station)
    station.publish(QUICK, b"second")
    eventually(lambda: hub.status().lanes["quick"].inbox_depth == 1)
    later = Timer(0.2, station.publish, (QUICK, b"third"))
    later.start()
    assert [message.payload for message in hub.take(1_000, 5.0).quick] == [b"second", b"third"]
    later.join()


def test_who_waits_at_a_door_does_not_wait_for_what_was_to_be_taken_together(
    nats: Broker, start_hub: StartHub, start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.hub.QUICK_EVERY_S", FOR_EVER_S)
    hub, station = start_hub(nats), start_station(nats)
    take_a_first(hub, station)
    station.publish(QUICK, b"nonce")
    assert [message.payload for message in hub.take(1_000, FOR_EVER_S, urgent=True).quick] == [b"nonce"]


def test_a_hint_does_not_wait_for_what_is_taken_together(
    nats: Broker, start_hub: StartHub, start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.hub.QUICK_EVERY_S", FOR_EVER_S)
    hub, station = start_hub(nats), start_station(nats)
    take_a_first(hub, station)
    station.publish(QUICK, b"second")
    eventually(lambda: hub.status().lanes["quick"].inbox_depth == 1)
    later = Timer(0.2, station.publish, ("hub/command/330106", b"look", 0))
    later.start()
    assert [message.payload for message in hub.take(1_000, FOR_EVER_S).quick] == [b"second", b"look"]
    later.join()


def test_wake_makes_a_waiting_take_return(nats: Broker, start_hub: StartHub) -> None:
    hub = start_hub(nats)
    hub.wake()
    before_s = perf_counter()
    assert hub.take(1_000, 30.0) == ([], [])
    assert perf_counter() - before_s < 10.0


def test_hints_have_no_id_and_are_not_taken_for_repetitions(
    nats: Broker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(nats), start_station(nats)
    for _ in range(3):
        station.publish("hub/command/330106", b"look", qos=0)
    got = take_until(hub, 3)
    assert [(message.mid, message.payload) for message in got] == [(0, b"look")] * 3
    hub.acknowledge("quick", [(message.generation, message.mid) for message in got])
    assert hub.status().lanes["quick"].stale_acks == 0


def test_a_full_inbox_refuses_and_the_broker_brings_the_rest_again(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(broker, inbox_size=10), start_station(broker)
    for n in range(30):
        station.publish(QUICK, b"%d" % n)
    eventually(lambda: hub.status().lanes["quick"].refused_full >= 20)
    got: Counter[bytes] = Counter()

    def all_here() -> bool:
        batch = hub.take(1_000, 0.1)
        got.update(message.payload for message in batch.quick)
        hub.acknowledge("quick", [(message.generation, message.mid) for message in batch.quick])
        return len(got) == 30

    eventually(all_here, timeout_s=15.0)
    assert set(got.values()) == {1}


def test_a_gateway_that_takes_nothing_stays_connected_past_its_keep_alive(
    broker: AnyBroker, start_hub: StartHub, start_station: StartStation
) -> None:
    hub, station = start_hub(broker, keepalive_s=2), start_station(broker)
    for n in range(2_000):
        station.publish(BULK, b"%d" % n)
    eventually(lambda: hub.status().lanes["bulk"].inbox_depth == 2_000)
    connected_s = perf_counter()
    eventually(lambda: perf_counter() - connected_s > 5.0)
    status = hub.status()
    assert status.ready
    assert [lane.generation for lane in status.lanes.values()] == [1, 1]
    assert len(take_until(hub, 2_000)) == 2_000
