"""A station's line to the broker; each connection has a number, which its last will carries."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Protocol

from device_sim.turnstile import Turnstile
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where stations connect."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    keepalive_s: int = 60
    longest_backoff_s: float = 60.0
    turnstile: Turnstile | None = field(default=None, repr=False)
    """Asked before each attempt, and told when a connection stands."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who a station is to the broker. The client id is not a name for logs."""

    client_id: str = field(repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


class LineEvents(Protocol):
    """What a line tells its station, from any thread."""

    def ready(self, conn: int) -> None: ...
    def lost(self, conn: int) -> None: ...
    def down(self, topic: str, payload: bytes) -> None: ...
    def confirmed(self, conn: int) -> None: ...
    def will(self, conn: int) -> tuple[str, bytes]: ...


class Line(Protocol):
    """What a station needs of a line; from any thread."""

    def start(self, after_s: float) -> None:
        """Connect `after_s` seconds from now, and again whenever it is lost."""
        ...

    def stop(self, *, abruptly: bool = False) -> None:
        """Hang up and stay away; `abruptly` as if the power went."""
        ...

    def publish(self, conn: int, topic: str, payload: bytes, *, counted: bool) -> bool:
        """Send now or not at all, over this connection only; a `counted` one is confirmed later."""
        ...


class StationLine:
    """One StationLink; its `conn` numbers the connections."""

    def __init__(
        self,
        loop: MqttLoop,
        broker: BrokerAddress,
        login: Login,
        adcode: str,
        station: str,
        events: LineEvents,
    ) -> None:
        self._events = events
        self._turnstile = broker.turnstile
        options = StationOptions(
            host=broker.host,
            port=broker.port,
            tls=broker.tls,
            keepalive_s=broker.keepalive_s,
            longest_backoff_s=broker.longest_backoff_s,
            may_connect=broker.turnstile,
            adcode=adcode,
            station=station,
            client_id=login.client_id,
            username=login.username,
            password=login.password,
            will=events.will,
        )
        self._link = StationLink(
            loop,
            options,
            events.down,
            self._ready,
            lambda: events.lost(self._link.conn),
        )

    def _ready(self) -> None:
        if self._turnstile is not None:
            self._turnstile.stands()
        self._events.ready(self._link.conn)

    def start(self, after_s: float) -> None:
        """Connect `after_s` seconds from now; a line that is already there stays as it is."""
        self._link.connect(after_s)

    def stop(self, *, abruptly: bool = False) -> None:
        """Hang up and stay away."""
        self._link.disconnect(abruptly)

    def publish(self, conn: int, topic: str, payload: bytes, *, counted: bool) -> bool:
        """Send at QoS 1."""
        if conn != self._link.conn:
            return False
        if not counted:
            return self._link.publish(topic, payload)
        events = self._events
        # Also when it was not taken: then nothing is under way any more.
        return self._link.publish(topic, payload, on_confirmed=lambda _: events.confirmed(conn))
