"""A broker that is no process: simulated stations and a gateway hand each other their messages."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence

from device_sim.line import LineEvents
from device_sim.station import Station
from device_sim.station_plan import StationPlan
from domain.clock import Clock
from transport.hub import Batch, HubLink, HubStatus, LaneName
from transport.inbox import Incoming
from transport.lane import LaneStatus

BULK = "/bulk/"
QUICK_AT_ONCE = 1_000


class NearHub(HubLink):
    """What a gateway sees of its link, without a socket: always connected, nothing lost, nothing late.

    `urgent` is set when one of the `watched` stations has spoken, or a broken one over the quick lane.
    """

    def __init__(self, clock: Clock) -> None:
        # Nothing of the real link's threads and sockets is made.
        self.may_connect: Callable[[], bool] = lambda: True
        self.stations: dict[str, Station] = {}
        self.watched: set[str] = set()
        self.urgent = False
        self.carried = 0
        self._clock = clock
        self._mids = itertools.count(1)
        self._waiting: dict[LaneName, deque[Incoming]] = {"quick": deque(), "bulk": deque()}
        self._status = HubStatus(
            lanes={"quick": _always_up(), "bulk": _always_up()}, thread_alive=True, last_turn_age_s=0.0
        )

    def __len__(self) -> int:
        return len(self._waiting["quick"]) + len(self._waiting["bulk"])

    def start(self) -> None:
        """It is there."""

    def stop(self) -> None:
        """Nothing to leave."""

    def wake(self) -> None:
        """Nobody waits."""

    def take(self, max_bulk: int, timeout_s: float, *, urgent: bool = False) -> Batch:
        """What there is; never waits, since time moves only between two turns."""
        quick, bulk = self._waiting["quick"], self._waiting["bulk"]
        return Batch(
            [quick.popleft() for _ in range(min(QUICK_AT_ONCE, len(quick)))],
            [bulk.popleft() for _ in range(min(max_bulk, len(bulk)))],
        )

    def acknowledge(
        self, lane: LaneName, held: Sequence[tuple[int, int]], publishes: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Hand the hub's own acks to those whom they are for."""
        for topic, payload in publishes:
            self.publish(topic, payload)

    def publish(self, topic: str, payload: bytes) -> bool:
        """To a station, if it is for one and its line stands."""
        levels = topic.split("/")
        station = self.stations.get(levels[2]) if levels[0] == "ws" and len(levels) > 3 else None
        if station is None or not isinstance(station.line, NearLine):
            return False
        if levels[-1] == "ack":
            # Nothing else has to happen now, and there is one for nearly every message.
            if station.box.connected:
                station.box.heard_ack(payload, self._clock.monotonic_s())
        else:
            station.line.hear(topic, payload)
        return True

    def publish_confirmed(self, lane: LaneName, topic: str, payload: bytes) -> bool:
        """A marker: it comes back behind what waits."""
        self.carry(topic, payload, lane)
        return True

    def status(self) -> HubStatus:
        """Always well."""
        return self._status

    def carry(self, topic: str, payload: bytes, lane: LaneName | None = None) -> None:
        """A message on its way to the gateway."""
        lane = lane or ("bulk" if BULK in topic else "quick")
        self.carried += 1
        self._waiting[lane].append(Incoming(1, next(self._mids), topic, payload, self._clock.now_ms()))


class NearLine:
    """A station's line to a `NearHub`; see `device_sim.line.Line`."""

    def __init__(self, hub: NearHub, plan: StationPlan, events: LineEvents) -> None:
        self._hub = hub
        self._station = plan.id
        self._events = events
        self._conn = 0
        self._up = False

    def start(self, after_s: float) -> None:
        """Connected at once."""
        if not self._up:
            self._conn += 1
            self._up = True
            self._events.ready(self._conn)

    def stop(self, *, abruptly: bool = False) -> None:
        """Hang up; after an abrupt end the broker says so in the station's name."""
        if self._up:
            self._up = False
            if abruptly:
                self._hub.carry(*self._events.will(self._conn))
            self._events.lost(self._conn)

    def publish(self, conn: int, topic: str, payload: bytes, *, counted: bool) -> bool:
        """Send now; nobody counts what is under way."""
        if not self._up or conn != self._conn:
            return False
        self._hub.carry(topic, payload)
        hub = self._hub
        if self._station in hub.watched or (BULK not in topic and hub.stations[self._station].faults):
            hub.urgent = True
        return True

    def hear(self, topic: str, payload: bytes) -> None:
        """The hub says something to a device."""
        if self._up:
            self._events.down(topic, payload)


def _always_up() -> LaneStatus:
    return LaneStatus(
        connected=True,
        ready=True,
        connected_since_ms=0,
        generation=1,
        refused_filters=(),
        inbox_depth=0,
        unacknowledged=0,
        accepted=0,
        repeated=0,
        refused_full=0,
        stale_acks=0,
        unsent_publishes=0,
        losses=0,
        callback_failures=0,
    )
