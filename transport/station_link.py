"""A station's single connection to the hub, as an edge box would hold it."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.topics import down_filter
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions, Will
from transport.state import OnConfirmed, nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class StationOptions:
    """Where the broker is and who the station is to it; `will` is (topic, payload), sent at QoS 1.

    Where the will has to name its connection it is made anew for each CONNECT, from `StationLink.conn`.
    """

    host: str
    port: int
    adcode: str
    station: str
    client_id: str = field(repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    will: tuple[str, bytes] | Callable[[int], tuple[str, bytes]] | None = None
    keepalive_s: int = 60
    longest_backoff_s: float = 60.0
    max_unconfirmed: int = 1_000
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    may_connect: Callable[[], bool] | None = field(default=None, repr=False)


class StationLink:
    """Clean session, hears its own `down` branch at QoS 0, publishes at QoS 1; many share one loop.

    Callbacks run in the loop's thread: `on_down(topic, payload)`; `on_ready()` when connected and
    listening, each time; `on_lost()` when that ends.
    """

    def __init__(
        self,
        loop: MqttLoop,
        options: StationOptions,
        on_down: Callable[[str, bytes], None],
        on_ready: Callable[[], None] = nobody,
        on_lost: Callable[[], None] = nobody,
    ) -> None:
        self._options = options
        self._on_down = on_down
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._connection = Connection(
            ConnectionOptions(
                label=f"station {options.station}",
                host=options.host,
                port=options.port,
                client_id=options.client_id,
                username=options.username,
                password=options.password,
                keepalive_s=options.keepalive_s,
                subscriptions=((down_filter(options.adcode, options.station), 0),),
                will=None if options.will is None else self._will,
                tls=options.tls,
                longest_backoff_s=options.longest_backoff_s,
                max_unconfirmed=options.max_unconfirmed,
                may_dial=options.may_connect,
                log_level=logging.DEBUG,  # thousands of them in one simulator
            ),
            loop,
            self._message,
            on_disconnected=self._disconnected,
            on_ready=self._ready,
        )

    @property
    def connected(self) -> bool:
        """True while the broker has accepted it."""
        return self._connection.connected

    @property
    def ready(self) -> bool:
        """True when it also hears what the hub says."""
        return self._connection.ready

    @property
    def generation(self) -> int:
        """How many times it has connected."""
        return self._connection.generation

    @property
    def conn(self) -> int:
        """The number of the present CONNECT; rises by one with each, also with unanswered ones."""
        return self._connection.connects

    @property
    def attempts(self) -> int:
        """How many times it has tried to connect or given that up; rises while the broker is away."""
        return self._connection.attempts

    def connect(self, after_s: float = 0.0) -> None:
        """Connect `after_s` seconds from now (to spread a crowd), and again whenever it is lost."""
        self._connection.start(after_s)

    def publish(self, topic: str, payload: bytes, qos: int = 1, on_confirmed: OnConfirmed = nobody) -> bool:
        """Send now; False when not connected or too much is unconfirmed, and nothing is kept for later.

        `on_confirmed(True)` at the broker's PUBACK, `on_confirmed(False)` when the connection is lost
        before; QoS 1 only. Raises BadTopic or BadMessage for what a broker would not take.
        """
        return self._connection.publish(topic, payload, qos, on_confirmed)

    def disconnect(self, abruptly: bool = False) -> None:
        """Leave and stay away until `connect`; `abruptly` as if the power went, so the will is sent."""
        self._connection.stop(abruptly=abruptly)

    def _will(self, conn: int) -> Will:
        will = self._options.will
        assert will is not None
        topic, payload = will(conn) if callable(will) else will
        return topic, payload, 1

    def _message(self, _generation: int, _mid: int, _dup: bool, topic: str, payload: bytes) -> None:
        self._on_down(topic, payload)

    def _ready(self, _generation: int) -> None:
        self._on_ready()

    def _disconnected(self, _generation: int) -> None:
        self._on_lost()
