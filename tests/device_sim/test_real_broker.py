"""Simulated stations over a real broker, with a small hub that keeps what it hears and acknowledges it."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.line import BrokerAddress, Line, LineEvents, Login, StationLine
from device_sim.station import Station
from device_sim.station_plan import StationPlan
from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from tests.device_sim.stand_in import DOOR, HubStandIn, plan, prepare, signed
from tests.device_sim.town import KEY
from tests.transport.brokers import Broker
from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration
IDS = (f"c{n}" for n in itertools.count())


class SmallHub:
    """Takes, keeps, acknowledges; `deaf` keeps it from doing any of it."""

    def __init__(self, broker: Broker) -> None:
        self.kept = HubStandIn()
        self.deaf = threading.Event()
        self.link = HubLink(
            "127.0.0.1",
            broker.port,
            {
                "quick": LaneOptions(
                    client_id=f"hub-quick-{random.getrandbits(64)}", filters=((topics.QUICK_FILTER, 1),)
                ),
                "bulk": LaneOptions(
                    client_id=f"hub-bulk-{random.getrandbits(64)}", filters=((topics.BULK_FILTER, 1),)
                ),
            },
            20_000,
            WallClock().now_ms,
        )
        self._boots: dict[str, str] = {}
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self.link.start()
        eventually(lambda: self.link.status().ready, saying="the hub hears both lanes")
        self._thread.start()

    def stop(self) -> None:
        self._ended = True
        self.link.wake()
        self._thread.join(5)
        self.link.stop()

    def tell(self, device: DeviceId, payload: bytes) -> None:
        assert self.link.publish(topics.command("331002", device), payload)

    def knows(self, station: Station) -> None:
        """Acks name a boot; the real hub reads it from the link."""
        self._boots[station.plan.id] = station.box.boot

    def _serve(self) -> None:
        while not self._ended:
            batch = self.link.take(1_000, 0.1)
            heard: dict[str, str] = {}
            for message in (*batch.quick, *batch.bulk):
                if self.deaf.is_set():
                    continue
                self.kept.take(message.topic, message.payload)
                address = topics.parse(message.topic)
                heard[address.device.station] = address.adcode
            acks = [
                (topics.ack(adcode, edge_box(name)), self.kept.ack(self._boots[name]))
                for name, adcode in heard.items()
            ]
            self.link.acknowledge("quick", [(m.generation, m.mid) for m in batch.quick], acks)
            self.link.acknowledge("bulk", [(m.generation, m.mid) for m in batch.bulk])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A nats-server of its own."""
    running = Broker(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def hub(broker: Broker) -> Iterator[SmallHub]:
    """A hub that listens before any station connects."""
    made = SmallHub(broker)
    made.start()
    yield made
    made.stop()


StartFleet = Callable[..., Fleet]


@pytest.fixture
def start_fleet(broker: Broker, hub: SmallHub) -> Iterator[StartFleet]:
    """Start a fleet and wait until every station is connected."""
    loop = MqttLoop("sim")
    loop.start()
    fleets: list[Fleet] = []

    def open_line(of: StationPlan, events: LineEvents) -> Line:
        address = BrokerAddress("127.0.0.1", broker.port)
        return StationLine(loop, address, Login(f"station-{of.id}"), of.adcode, of.id, events)

    def start(*plans: StationPlan, box: BoxSettings | None = None) -> Fleet:
        fleet = Fleet(
            plans, clock=WallClock(), open_line=open_line, verify_keys={KEY.kid: KEY.verify_key}, box=box
        )
        fleets.append(fleet)
        for station in fleet.stations.values():
            hub.knows(station)
        fleet.start(loop)
        eventually(lambda: all(one["connected"] for one in fleet.status()), saying="all are connected")
        return fleet

    yield start
    for fleet in fleets:
        fleet.stop()
    loop.stop()


def only(fleet: Fleet) -> Station:
    return next(iter(fleet.stations.values()))


def say(fleet: Fleet, count: int, garbled_at: int = -1) -> list[int]:
    """Let the door of the only station say many things at once; returns their numbers."""
    station, said = only(fleet), threading.Event()
    seqs: list[int] = []

    def work(now_ms: int, monotonic_s: float) -> None:
        for n in range(count):
            garbled = b"\xff rubbish" if n == garbled_at else None
            seqs.append(station.box.say(DOOR, "event", {"type": "inside_button"}, now_ms, garbled=garbled))
        station.tick(now_ms, monotonic_s)
        said.set()

    fleet.post(station, work)
    assert said.wait(5)
    return seqs


def empty(fleet: Fleet) -> bool:
    return all(one["held"] == 0 for one in fleet.status())


def kept_seqs(hub: SmallHub) -> list[int]:
    return sorted(one.envelope.seq for one in hub.kept.kept)


def test_forty_stations_connect_report_and_are_acknowledged(start_fleet: StartFleet, hub: SmallHub) -> None:
    plans = [plan("door_lock", "occupancy_sensor", id=f"331002-{n:04d}") for n in range(1, 41)]
    fleet = start_fleet(*plans)
    eventually(lambda: len(hub.kept.kept) >= 80 and empty(fleet))
    assert {link["conn"] for link in hub.kept.links} == {1}
    assert hub.kept.refused == []


def test_with_one_unreadable_and_one_lost_message_in_a_hundred_the_buffer_empties_within_ten_seconds(
    start_fleet: StartFleet, hub: SmallHub
) -> None:
    fleet = start_fleet(plan("door_lock", visits_per_day=0))
    eventually(lambda: empty(fleet))
    fleet.inject("331002-0001", None, "lost", {"every": 50})
    say(fleet, 100, garbled_at=5)
    eventually(lambda: empty(fleet), timeout_s=10)
    assert only(fleet).vanished >= 2
    eventually(lambda: len(hub.kept.events("inside_button")) == 99)
    assert fleet.status()[0]["dropped"] == 1


def test_after_a_broker_restart_everything_held_is_sent_again_once(
    start_fleet: StartFleet, hub: SmallHub, broker: Broker
) -> None:
    fleet = start_fleet(plan("door_lock", visits_per_day=0))
    eventually(lambda: empty(fleet))
    before = set(kept_seqs(hub))
    hub.deaf.set()
    said = say(fleet, 50)
    eventually(lambda: only(fleet).box.held >= 50 and only(fleet).box.in_flight == 0)
    broker.kill()
    eventually(lambda: not fleet.status()[0]["connected"])
    hub.deaf.clear()
    broker.start()
    eventually(lambda: fleet.status()[0]["connected"], timeout_s=30)
    eventually(lambda: empty(fleet), timeout_s=30)
    assert set(said) <= set(kept_seqs(hub)) - before
    assert len(kept_seqs(hub)) == len(set(kept_seqs(hub)))
    assert [link["conn"] for link in hub.kept.links if link["online"]][-1] >= 2
    assert fleet.status()[0]["dropped"] == 0


def test_a_signed_unlock_opens_the_door_and_a_second_one_with_the_same_bytes_does_not(
    start_fleet: StartFleet, hub: SmallHub
) -> None:
    start_fleet(plan("door_lock", visits_per_day=0))
    command_id = next(IDS)
    hub.tell(DOOR, prepare(command_id, "unlock"))
    eventually(lambda: hub.kept.replies(command_id))
    bytes_ = signed(KEY, DOOR, command_id, "unlock", hub.kept.nonce(command_id))
    hub.tell(DOOR, bytes_)
    hub.tell(DOOR, bytes_)
    eventually(lambda: hub.kept.replies(command_id)[-1]["state"] == "done")
    assert [event["command"] for event in hub.kept.events("unlocked")] == [command_id]


def test_a_cut_line_makes_the_broker_speak_the_will_of_that_connection(
    start_fleet: StartFleet, hub: SmallHub
) -> None:
    fleet = start_fleet(plan("door_lock", visits_per_day=0))
    eventually(lambda: hub.kept.links)
    for conn in (1, 2):
        fleet.inject("331002-0001", None, "dead_link", {"seconds": 1})
        eventually(partial(said_last, hub, conn, online=False))
        eventually(partial(said_last, hub, conn + 1, online=True))
    eventually(lambda: empty(fleet))


def said_last(hub: SmallHub, conn: int, *, online: bool) -> bool:
    last = hub.kept.links[-1]
    return (last["conn"], last["online"]) == (conn, online)
