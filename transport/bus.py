"""Hints between the processes of the hub: a reason to look into the database, never the truth."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from domain.topics import CHANGE_HINTS
from transport.connection import Connection
from transport.loop import MqttLoop
from transport.options import ConnectionOptions


class HubBus:
    """One clean-session connection at QoS 0; `on_hint(topic, payload)` runs in its own thread."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        username: str | None = None,
        password: str | None = None,
        filters: tuple[str, ...] = (CHANGE_HINTS,),
        on_hint: Callable[[str, bytes], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._on_hint = on_hint
        self._loop = MqttLoop("hub-bus", dial_threads=1)
        self._connection = Connection(
            ConnectionOptions(
                label="hub bus",
                host=host,
                port=port,
                client_id=client_id,
                username=username,
                password=password,
                subscriptions=tuple((topic_filter, 0) for topic_filter in filters),
                tls=tls,
            ),
            self._loop,
            self._message,
        )

    @property
    def ready(self) -> bool:
        """True when hints go out and come in; without it the database is polled anyway."""
        return self._connection.ready and self._loop.thread_alive

    def start(self) -> None:
        """Connect and stay connected."""
        self._loop.start()
        self._connection.start()

    def stop(self) -> None:
        """Leave the broker and end the thread."""
        self._connection.stop()
        self._loop.stop()

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0, now or never: False when not connected."""
        return self._connection.publish(topic, payload)

    def _message(self, _generation: int, _mid: int, _dup: bool, topic: str, payload: bytes) -> None:
        self._on_hint(topic, payload)
