"""A sitting over a real line: the broker of its own, or the hub's."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from conform.door import Closed, Door, Opened, Refused, Subscribed
from conform.heard import Heard
from conform.sitting import Sitting
from conform.stage import Cut
from domain import topics
from domain.clock import Clock
from domain.errors import Conflict, StorageUnavailable
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions

LONGEST_WAIT_S = 0.2
BROKER_WITHIN_S = 5.0
PROBE_S = 1.0

Say = Callable[[str], None]


def at_the_door(sitting: Sitting, door: Door, clock: Clock, say: Say) -> None:
    """Until it is over; `say` hears what a person at the board wants to know meanwhile."""
    part = ""
    while not sitting.over:
        for event in door.wait(min(LONGEST_WAIT_S, sitting.due_s - clock.monotonic_s())):
            now_s = clock.monotonic_s()
            if isinstance(event, Heard):
                sitting.heard_word(event, clock.now_ms(), now_s)
            elif isinstance(event, Opened):
                say("The device has connected.")
                sitting.opened(event.greeting, now_s)
            elif isinstance(event, Subscribed):
                sitting.subscribed(event.topic_filter, event.qos)
            elif isinstance(event, Closed):
                say("The connection is over.")
                sitting.closed(now_s)
            elif isinstance(event, Refused):
                say(event.why)
        for action in sitting.tick(clock.now_ms(), clock.monotonic_s()):
            if isinstance(action, Cut):
                door.cut(action.shut_s)
            else:
                door.publish(action.topic, action.payload)
        part = _tell(sitting, part, say)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLogin:
    """Where the broker is, and the hub's rights on it."""

    host: str
    port: int
    client_id: str = field(repr=False)
    password: str = field(repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def over_the_broker(
    sitting: Sitting, login: HubLogin, adcode: str, station: str, clock: Clock, say: Say
) -> None:
    """With the hub's rights on a running broker; nobody else may play the hub there meanwhile.

    Raises Conflict when a gateway is heard, StorageUnavailable when the broker does not answer.
    """
    branch = f"ws/{adcode}/{station}"
    filters = ((f"{branch}/quick/+/+/+", 1), (f"{branch}/bulk/+/+/+", 1))
    ear = _Ear(login, "", ((*filters, (topics.QUICK_MARKER, 0))), clock)
    try:
        ear.until_ready()
        part = ""
        while not sitting.over:
            heard = ear.next(min(LONGEST_WAIT_S, sitting.due_s - clock.monotonic_s()))
            if heard is not None and heard.topic == topics.QUICK_MARKER:
                raise Conflict(
                    "A gateway runs on this broker and answers the device too. Stop it, or examine the "
                    "device at a broker of its own: --listen."
                )
            if heard is not None:
                sitting.heard_word(heard, clock.now_ms(), clock.monotonic_s())
            for action in sitting.tick(clock.now_ms(), clock.monotonic_s()):
                if not isinstance(action, Cut):
                    ear.connection.publish(action.topic, action.payload)
            part = _tell(sitting, part, say)
        sitting.probed(_told_later(ear, _Ear(login, "-later", filters, clock)))
    finally:
        ear.close()


def _told_later(first: _Ear, second: _Ear) -> list[str]:
    """Topics that only a second listener hears: what the broker retains."""
    try:
        second.until_ready()
        later = list(iter(lambda: second.next(PROBE_S), None))
        live = list(iter(lambda: first.next(0.1), None))
    finally:
        second.close()
    known = {(heard.topic, heard.payload) for heard in live}
    return sorted({heard.topic for heard in later if (heard.topic, heard.payload) not in known})


class _Ear:
    """One listener at the broker."""

    def __init__(
        self, login: HubLogin, suffix: str, filters: tuple[tuple[str, int], ...], clock: Clock
    ) -> None:
        self._clock, self._pause = clock, threading.Event()
        self._arrived: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._loop = MqttLoop("conform", dial_threads=1)
        options = ConnectionOptions(
            label="conformance kit",
            host=login.host,
            port=login.port,
            client_id=login.client_id + suffix,
            username="gateway",
            password=login.password,
            tls=login.tls,
            subscriptions=filters,
        )
        self.connection = Connection(options, self._loop, self._message)
        self._loop.start()
        self.connection.start()

    def until_ready(self) -> None:
        """Wait until it hears everything."""
        deadline_s = self._clock.monotonic_s() + BROKER_WITHIN_S
        options = self.connection.options
        while not self.connection.ready:
            if self._clock.monotonic_s() > deadline_s:
                raise StorageUnavailable(
                    f"The broker at {options.host}:{options.port} does not let the kit in; does it run?"
                )
            self._pause.wait(0.05)

    def next(self, timeout_s: float) -> Heard | None:
        """What came next; None after so long."""
        try:
            return self._arrived.get(timeout=max(0.001, timeout_s))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Leave."""
        self.connection.stop()
        self._loop.stop()

    def _message(self, _generation: int, mid: int, _dup: bool, topic: str, payload: bytes) -> None:
        # A mid is there at QoS 1 only. Whether it was retained, this line does not show.
        self._arrived.put(Heard(topic, payload, 1 if mid else 0))


def _tell(sitting: Sitting, part: str, say: Say) -> str:
    if sitting.part != part and sitting.part != "over":
        say(f"Now: {sitting.part} ({sitting.heard} messages so far).")
    return sitting.part
