"""What a province's stations say: the simulator's own messages, made without a network on moved time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from device_sim.fleet import Fleet
from device_sim.line import LineEvents
from device_sim.station_plan import DevicePlan, StationPlan
from domain import topics
from domain.ids import edge_box
from signing.keys import SigningKey

Message = tuple[str, bytes]
CABINET_EVERY = 5
STEP_S = 0.25


@dataclass
class MovedClock:
    """Both clocks, moved by hand."""

    now: int
    monotonic: float = 1_000.0

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return self.now

    def monotonic_s(self) -> float:
        """Seconds."""
        return self.monotonic

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.now += round(seconds * 1000)


class CapturedLine:
    """A line whose other end is a list; what is sent is confirmed at once."""

    def __init__(self, said: list[Message], events: LineEvents) -> None:
        self._said = said
        self._events = events

    def start(self, after_s: float) -> None:
        """Connected from the beginning."""
        self._events.ready(1)

    def stop(self, *, abruptly: bool = False) -> None:
        """Nothing to hang up."""

    def publish(self, conn: int, topic: str, payload: bytes, *, counted: bool) -> bool:
        """Keep the message."""
        self._said.append((topic, payload))
        if counted:
            self._events.confirmed(conn)
        return True


def province(count: int) -> list[StationPlan]:
    """`count` stations with a door and a counter each, every fifth with a cabinet of ten slots."""
    plans = []
    for n in range(count):
        adcode = str(330100 + n % 90)
        devices = [DevicePlan(kind="door_lock"), DevicePlan(kind="occupancy_sensor")]
        if n % CABINET_EVERY == 0:
            devices.append(DevicePlan(kind="swap_cabinet", size={"slots": 10}))
        plans.append(
            StationPlan(
                id=f"{adcode}-{n:05d}",
                adcode=adcode,
                area=adcode,
                number=f"{n:03d}",
                name=f"驿站 {n}",
                name_en=f"Station {n}",
                address="",
                address_en="",
                grade="smart24h",
                hours="24/7",
                night_hours=None,
                capacity=10,
                lat=30.0,
                lon=120.0,
                devices=tuple(devices),
            )
        )
    return plans


def messages(plans: list[StationPlan], count: int, begin_ms: int, seed: int = 1) -> Iterator[Message]:
    """`count` messages in the order in which the stations would send them, after they have settled.

    The hub's acks are played back, so nothing is sent again.
    """
    clock = MovedClock(begin_ms)
    said: list[Message] = []
    listeners: dict[str, LineEvents] = {}

    def open_line(plan: StationPlan, events: LineEvents) -> CapturedLine:
        listeners[plan.id] = events
        return CapturedLine(said, events)

    key = SigningKey(bytes(32))
    fleet = Fleet(plans, clock=clock, open_line=open_line, verify_keys={key.kid: key.verify_key}, seed=seed)
    fleet.begin()
    done = 0
    adcodes = {plan.id: plan.adcode for plan in plans}
    while done < count:
        fleet.step()
        batch, said[:] = list(said), []
        for topic, payload in batch:
            body = json.loads(payload)
            station = topic.split("/")[2]
            ack = {
                "boot": body["boot"], "upto": body.get("seq", -1), "also": [], "conn": body.get("conn"),
                "now": clock.now, "store": "bench",
            }  # fmt: skip
            listeners[station].down(topics.ack(adcodes[station], edge_box(station)), json.dumps(ack).encode())
            yield topic, payload
            done += 1
            if done == count:
                return
        clock.move(STEP_S)
