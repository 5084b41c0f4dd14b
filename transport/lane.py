"""One of the gateway's two roads for messages: a connection with a persistent session, and its inbox."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from transport.connection import Connection
from transport.inbox import Inbox
from transport.loop import MqttLoop
from transport.options import ConnectionOptions
from transport.packets import pubacks, publish_packet
from transport.publishes import Publish

LOOKS = 6
LONGEST_BACKOFF_S = 2.0
"""There is one gateway, and while it waits no door opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOptions:
    """Who a lane is to the broker and what it hears; `filters` are (filter, QoS).

    `repeat_patience_s` must be longer than the broker's ack_wait: so long does a message that found no
    room have to come again, before the lane reconnects for it (some brokers repeat only then).
    """

    client_id: str = field(repr=False)
    filters: tuple[tuple[str, int], ...]
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    repeat_patience_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatus:
    """A lane at one moment; counters count since the process started."""

    connected: bool
    ready: bool
    connected_since_ms: int | None
    generation: int
    refused_filters: tuple[str, ...]
    inbox_depth: int
    unacknowledged: int
    accepted: int
    repeated: int
    refused_full: int
    stale_acks: int
    unsent_publishes: int
    losses: int
    callback_failures: int


class Lane:
    """Filled in the loop's thread; taken from and acknowledged by the gateway's thread."""

    def __init__(
        self,
        label: str,
        options: LaneOptions,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        loop: MqttLoop,
        inbox_size: int,
        wall_ms: Callable[[], int],
        on_arrival: Callable[[], None],
        may_dial: Callable[[], bool] | None = None,
    ) -> None:
        self.inbox = Inbox(inbox_size)
        self._loop = loop
        self._wall_ms = wall_ms
        self._on_arrival = on_arrival
        self._look_every_s = options.repeat_patience_s / LOOKS
        self._looks_in_vain = 0
        self._connected_since_ms: int | None = None
        self._stale_acks = 0
        self._unsent_publishes = 0
        self.connection = Connection(
            ConnectionOptions(
                label=label,
                host=host,
                port=port,
                client_id=options.client_id,
                username=options.username,
                password=options.password,
                clean_session=False,
                keepalive_s=options.keepalive_s,
                subscriptions=options.filters,
                tls=tls,
                manual_ack=True,
                longest_backoff_s=LONGEST_BACKOFF_S,
                may_dial=may_dial,
            ),
            loop,
            on_connected=self._connected,
            on_disconnected=self._disconnected,
            on_publishes=self._publishes,
        )

    def start(self) -> None:
        """Connect and stay connected."""
        self.connection.start()
        self._loop.hand_over(self._look_for_missed)

    def acknowledge(self, held: Sequence[tuple[int, int]], publishes: Sequence[tuple[str, bytes]]) -> None:
        """One write with a PUBACK for each (generation, mid) and the QoS 0 publishes.

        Ids of an older connection are dropped: on this one they belong to other messages.
        """
        live = self.connection.generation
        mids = [mid for generation, mid in held if generation == live and mid]
        stale = sum(1 for generation, mid in held if generation != live and mid)
        packets = b"".join([publish_packet(topic, payload) for topic, payload in publishes])
        acks = pubacks(mids)
        self._loop.do(lambda: self._send(live, mids, stale, acks, packets, len(publishes)))

    def status(self) -> LaneStatus:
        """What health checks and metrics want to know; from any thread."""
        connection, inbox = self.connection, self.inbox
        return LaneStatus(
            connected=connection.connected,
            ready=connection.ready,
            connected_since_ms=self._connected_since_ms if connection.connected else None,
            generation=connection.generation,
            refused_filters=connection.refused_filters,
            inbox_depth=len(inbox),
            unacknowledged=inbox.held,
            accepted=inbox.accepted,
            repeated=inbox.repeated,
            refused_full=inbox.refused_full,
            stale_acks=self._stale_acks,
            unsent_publishes=self._unsent_publishes,
            losses=connection.losses,
            callback_failures=connection.callback_failures,
        )

    def _send(
        self, live: int, mids: list[int], stale: int, acks: bytes, packets: bytes, publishes: int
    ) -> None:
        connection = self.connection
        self._stale_acks += stale
        if connection.generation != live:
            self._stale_acks += len(mids)
            mids, acks = [], b""
        if connection.clogged:
            self._unsent_publishes += publishes
            packets = b""
        if connection.write(acks + packets, connection.generation):
            self.inbox.release(mids)
        else:
            self._stale_acks += len(mids)
            self._unsent_publishes += publishes if packets else 0

    def _publishes(self, generation: int, publishes: list[Publish]) -> None:
        # One reading of the clock for all that came in one piece.
        self.inbox.offer(generation, publishes, self._wall_ms())
        self._on_arrival()

    def _connected(self, _generation: int) -> None:
        self.inbox.begin_connection()
        self._connected_since_ms = self._wall_ms()

    def _disconnected(self, _generation: int) -> None:
        self._connected_since_ms = None

    def _look_for_missed(self) -> None:
        if self.inbox.missed and not len(self.inbox):
            self._looks_in_vain += 1
        else:
            self._looks_in_vain = 0
        if self._looks_in_vain >= LOOKS:
            self._looks_in_vain = 0
            self.connection.reconnect("messages that found no room do not come again")
        self._loop.call_later(self._look_every_s, self._look_for_missed)
