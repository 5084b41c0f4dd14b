"""The gateway's link to the broker: two lanes, so that no backlog stands between a person and a door."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from time import perf_counter
from typing import Literal, NamedTuple

from transport.inbox import Incoming
from transport.lane import Lane, LaneOptions, LaneStatus
from transport.loop import MqttLoop

QUICK_AT_ONCE = 1_000
BULK_EVERY_S = 0.05
BULK_ENOUGH = 200
"""While less than this waits, bulk is taken twenty times a second at the most: whoever takes it begins a
transaction, and that costs as much as fifty messages."""
QUICK_EVERY_S = 0.05
QUICK_WHILE_URGENT_S = 0.003
"""So far apart quick is taken; who comes after a pause does not wait, nor does a hint that somebody gives."""
STOP_WITHIN_S = 5.0

LaneName = Literal["quick", "bulk"]


class Batch(NamedTuple):
    """What was there: all of quick first, then some of bulk, each in order of arrival."""

    quick: list[Incoming]
    bulk: list[Incoming]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStatus:
    """Health of the whole link; a `last_turn_age_s` above 2 means that the thread is stuck."""

    lanes: Mapping[LaneName, LaneStatus]
    thread_alive: bool
    last_turn_age_s: float

    @property
    def ready(self) -> bool:
        """True when both lanes hear everything they should."""
        return self.thread_alive and all(lane.ready for lane in self.lanes.values())


class HubLink:
    """`take`, decide, commit, `acknowledge`: all four from one thread; the rest from any.

    Nothing is acknowledged to the broker before `acknowledge`, and nothing is published late.
    """

    def __init__(
        self,
        host: str,
        port: int,
        lanes: Mapping[LaneName, LaneOptions],
        inbox_size: int,
        wall_ms: Callable[[], int],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.may_connect: Callable[[], bool] = lambda: True
        """Set it before `start`: asked before each connection, from a thread that may block."""
        self._arrived = Event()
        self._hinted = Event()
        self._woken = False
        self._bulk_from_s = 0.0
        self._bulk_expected = False
        self._quick_from_s = 0.0
        self._loop = MqttLoop("hub-mqtt", dial_threads=2)

        def lane(name: LaneName) -> Lane:
            return Lane(
                f"hub {name}",
                lanes[name],
                host=host,
                port=port,
                tls=tls,
                loop=self._loop,
                inbox_size=inbox_size,
                wall_ms=wall_ms,
                on_arrival=self._quick_arrived if name == "quick" else self._bulk_arrived,
                may_dial=self._asked,
            )

        self._quick = lane("quick")
        self._bulk = lane("bulk")
        self._lanes: dict[LaneName, Lane] = {"quick": self._quick, "bulk": self._bulk}

    def _asked(self) -> bool:
        return self.may_connect()

    def _quick_arrived(self) -> None:
        self._arrived.set()
        if self._quick.inbox.hinted:
            self._hinted.set()

    def _bulk_arrived(self) -> None:
        # Whoever knows of some already comes back for it, and need not be woken for each that follows.
        if not self._bulk_expected or len(self._bulk.inbox) >= BULK_ENOUGH:
            self._arrived.set()

    def start(self) -> None:
        """Connect both lanes and keep them connected."""
        self._loop.start()
        for lane in self._lanes.values():
            lane.start()

    def stop(self) -> None:
        """Write what was acknowledged so far, leave the broker and end the thread; sessions stay."""
        for lane in self._lanes.values():
            lane.connection.stop()
        self._loop.stop(STOP_WITHIN_S)
        self.wake()

    def take(self, max_bulk: int, timeout_s: float, *, urgent: bool = False) -> Batch:
        """All of quick (at most 1,000), then bulk up to `max_bulk`; waits when there is neither, and a
        moment for more when only a little came since the last time, a shorter one while it is `urgent`.

        With `max_bulk` 0 only quick is looked at. Returns an empty batch after `timeout_s` or `wake`.
        """
        arrived, quick, bulk = self._arrived, self._quick.inbox, self._bulk.inbox
        deadline_s = perf_counter() + timeout_s
        while True:
            arrived.clear()
            self._hinted.clear()
            self._bulk_expected = False
            now_s = perf_counter()
            if urgent:
                # It may have become so just now, by a hint.
                self._quick_from_s = min(self._quick_from_s, now_s + QUICK_WHILE_URGENT_S)
            waiting_quick, waiting_bulk = len(quick), len(bulk) if max_bulk else 0
            left_s, quick_s = deadline_s - now_s, self._quick_from_s - now_s
            bulk_s = self._bulk_from_s - now_s if waiting_bulk < BULK_ENOUGH else 0.0
            quick_due = waiting_quick > 0 and (quick_s <= 0 or quick.hinted)
            # What is taken along with quick needs no transaction of its own, unless somebody waits at a door.
            bulk_due = waiting_bulk > 0 and (bulk_s <= 0 or (quick_due and not urgent))
            if quick_due or bulk_due or self._woken or left_s <= 0:
                break
            pause_s = min(left_s, bulk_s) if waiting_bulk else left_s
            if waiting_quick:
                self._hinted.wait(min(pause_s, quick_s))
            else:
                self._bulk_expected = waiting_bulk > 0
                arrived.wait(pause_s)
        batch = Batch(quick.take(QUICK_AT_ONCE), bulk.take(max_bulk) if bulk_due else [])
        if batch.quick:
            self._quick_from_s = now_s + (QUICK_WHILE_URGENT_S if urgent else QUICK_EVERY_S)
        if batch.bulk:
            self._bulk_from_s = now_s + BULK_EVERY_S
        if not batch.quick and not batch.bulk:
            self._woken = False
        return batch

    def wake(self) -> None:
        """Make a waiting `take` return now, or the next one."""
        self._woken = True
        self._arrived.set()
        self._hinted.set()

    def acknowledge(
        self,
        lane: LaneName,
        held: Sequence[tuple[int, int]],
        publishes: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """PUBACK each (generation, mid) and publish at QoS 0, all in one write on that lane's connection.

        What belongs to an older connection is dropped and counted: the broker sends it again. Publishes
        are dropped and counted when the lane is not connected. Raises BadTopic or BadMessage, before
        anything is sent, for a publish that no broker would take.
        """
        self._lanes[lane].acknowledge(held, publishes)

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0 on the quick lane, now or never: False when it is not connected."""
        return self._quick.connection.publish(topic, payload)

    def publish_confirmed(self, lane: LaneName, topic: str, payload: bytes) -> bool:
        """QoS 1 on that lane, so that it queues behind everything the lane has yet to hear; False when it
        is not connected."""
        return self._lanes[lane].connection.publish(topic, payload, 1)

    def status(self) -> HubStatus:
        """How both lanes and the thread are; from any thread."""
        return HubStatus(
            lanes={name: lane.status() for name, lane in self._lanes.items()},
            thread_alive=self._loop.thread_alive,
            last_turn_age_s=self._loop.last_turn_age_s,
        )
