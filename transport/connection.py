"""One MQTT connection that comes back by itself and never sends anything late."""

from __future__ import annotations

import enum
import logging
import socket
from collections.abc import Callable
from time import perf_counter
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from transport.backoff import Backoff
from transport.client import DrivenClient
from transport.loop import MqttLoop
from transport.options import ConnectionOptions
from transport.packets import check_payload, publish_qos_0, topic_field
from transport.socket_buffer import BufferedSocket

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
STEADY_AFTER_S = 5.0
PACKETS_A_TURN = 1_000


class State(enum.Enum):
    """How far a connection is."""

    STOPPED = "stopped"
    WAITING = "waiting"
    DIALLING = "dialling"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    REFUSED_FILTERS = "refused_filters"


OnMessage = Callable[[int, int, bool, str, bytes], None]
"""(generation, mid, dup, topic, payload); mid is 0 for QoS 0."""
OnConfirmed = Callable[[bool], None]
"""True when the broker has confirmed, False when the connection was lost before."""


def _nothing(*_: object) -> None:
    """No one is interested."""


class Connection:
    """Public methods may be called from any thread; callbacks run in the loop's thread and must be short.

    `on_connected(generation)` comes before any message of that connection, `on_ready(generation)` when
    every filter was granted, `on_disconnected(generation)` once for each `on_connected`.
    `on_burst()` follows each handful of messages read together.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        loop: MqttLoop,
        on_message: OnMessage = _nothing,
        on_connected: Callable[[int], None] = _nothing,
        on_disconnected: Callable[[int], None] = _nothing,
        *,
        on_ready: Callable[[int], None] = _nothing,
        on_burst: Callable[[], None] = _nothing,
    ) -> None:
        self.options = options
        self.state = State.STOPPED
        self.generation = 0
        self.refused_filters: tuple[str, ...] = ()
        self.losses = 0
        self.callback_failures = 0
        self.dropped_writes = 0
        self._live = 0  # the generation while connected, else 0
        self._loop = loop
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._on_ready = on_ready
        self._on_burst = on_burst
        self._socket: BufferedSocket | None = None
        self._attempt = 0
        self._connected_at_s = 0.0
        self._reason = ""
        self._flushing = False
        self._asked: dict[int, list[tuple[str, int]]] = {}
        self._unconfirmed: dict[int, OnConfirmed] = {}
        self._backoff = Backoff(options.longest_backoff_s)
        self._filter_backoff = Backoff(options.longest_backoff_s)
        self._client = self._new_client()

    def __repr__(self) -> str:
        return f"<Connection {self.options.label}: {self.state.value}>"

    @property
    def connected(self) -> bool:
        """True while the broker has accepted us; filters may still be missing."""
        return self._live != 0

    @property
    def ready(self) -> bool:
        """True when connected and every filter is granted at the QoS asked for."""
        return self.state is State.READY

    @property
    def clogged(self) -> bool:
        """True when the broker has not read for so long that nothing optional should be sent."""
        sock = self._socket
        return sock is not None and sock.is_clogged()

    def start(self, after_s: float = 0.0) -> None:
        """Connect, and connect again whenever it is lost, until `stop`."""
        self._loop.hand_over(lambda: self._start(after_s))

    def stop(self, *, abruptly: bool = False) -> None:
        """Leave and stay away; `abruptly` without a DISCONNECT, so that the broker sends the will."""
        # Never at once: inside a callback paho's locks are held.
        self._loop.hand_over(lambda: self._stop(abruptly))

    def reconnect(self, reason: str) -> None:
        """Drop the present connection and come back; the broker then sends again what is not acknowledged."""
        self._loop.hand_over(lambda: self.give_up(reason))

    def publish(self, topic: str, payload: bytes, qos: int = 0, on_confirmed: OnConfirmed = _nothing) -> bool:
        """Send now or not at all: False when not connected (nothing is kept for later) or too much waits.

        True means handed to the live connection; only `on_confirmed(True)` (QoS 1) says that the broker
        has it. Raises BadTopic or BadMessage for what a broker would not take.
        """
        if qos == 0:
            return self.write(publish_qos_0(topic, payload), self._live)
        topic_field(topic)
        check_payload(payload)
        live = self._live
        if not live or len(self._unconfirmed) >= self.options.max_unconfirmed:
            return False
        self._loop.do(lambda: self._publish_confirmed(live, topic, payload, on_confirmed))
        return True

    def write(self, packets: bytes, generation: int) -> bool:
        """Send whole packets that we encoded, between paho's own, if `generation` is still connected."""
        if not generation or generation != self._live:
            return False
        self._loop.do(lambda: self._write(packets, generation))
        return True

    # For the loop, in its thread.

    def readable(self) -> None:
        """Let paho read what is there, a bounded number of packets, and come back for the rest."""
        sock = self._socket
        if sock is None:
            return
        read = self._client.loop_read
        pending = sock.pending
        read()
        for _ in range(PACKETS_A_TURN):
            if not pending():
                break
            read()
        else:
            self._loop.has_unread(self)
        self._call(self._on_burst)

    def flush(self) -> None:
        """Move paho's packets into the socket's buffer and write what the kernel takes."""
        sock = self._socket
        if sock is None:
            return
        self._flushing = True
        try:
            while True:
                if self._client.want_write():
                    self._client.loop_write()
                    if self._socket is not sock:
                        return
                empty = sock.flush()
                if not empty or not self._client.want_write():
                    break
            if sock.broken:
                self._client.loop_read()
            else:
                self._loop.watch_writing(sock.fileno(), not empty)
        finally:
            self._flushing = False

    def give_up(self, reason: str) -> None:
        """Drop the socket without a word to the broker."""
        sock = self._socket
        if sock is None:
            return
        self._reason = reason
        sock.break_off()
        try:
            self._client.loop_read()
        finally:
            if self._socket is sock:
                sock.close()
                self._lost(reason)

    def _new_client(self) -> DrivenClient:
        options = self.options
        client = DrivenClient(
            client_id=options.client_id, clean_session=options.clean_session, manual_ack=options.manual_ack
        )
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.will is not None:
            topic, payload, qos = options.will
            client.will_set(topic, payload, qos, retain=False)
        client.max_queued_messages_set(options.max_unconfirmed)
        client.connect_async(options.host, options.port, options.keepalive_s)
        client.on_connect = self._paho_connected
        client.on_disconnect = self._paho_disconnected
        client.on_subscribe = self._paho_subscribed
        client.on_message = self._paho_message
        client.on_publish = self._paho_published
        client.on_socket_register_write = self._paho_wants_write
        return client

    def _start(self, after_s: float) -> None:
        if self.state is not State.STOPPED:
            return
        self.state = State.WAITING
        self._dial_after(after_s)

    def _stop(self, abruptly: bool) -> None:
        self.state = State.STOPPED
        self._attempt += 1
        if self._socket is None:
            return
        if not abruptly:
            self._client.disconnect()
            self.flush()
        self.give_up("stopped")

    def _dial_after(self, wait_s: float) -> None:
        self._attempt += 1
        attempt = self._attempt
        if wait_s > 0:
            self._loop.call_later(wait_s, lambda: self._dial(attempt))
        else:
            self._dial(attempt)

    def _dial(self, attempt: int) -> None:
        if attempt != self._attempt:
            return
        self.state = State.DIALLING
        options = self.options
        self._loop.dial(options.host, options.port, options.tls, lambda got: self._dialled(attempt, got))

    def _dialled(self, attempt: int, outcome: socket.socket | OSError) -> None:
        if isinstance(outcome, OSError):
            if attempt == self._attempt:
                self._dial_again(f"cannot be reached: {outcome}")
            return
        if attempt != self._attempt or self._loop.ended:
            outcome.close()
            return
        self.state = State.CONNECTING
        self._reason = ""
        self._socket = self._client.dialled = BufferedSocket(outcome, self._loop.forget)
        self._loop.watch(outcome.fileno(), self)
        self._loop.call_later(ANSWER_WITHIN_S, lambda: self._check_answered(attempt))
        self._loop.call_later(self._misc_every_s(), lambda: self._misc(attempt))
        self._client.reconnect()
        self._loop.has_unwritten(self)

    def _dial_again(self, reason: str) -> None:
        self.state = State.WAITING
        wait_s = self._backoff.next_wait_s()
        logger.warning(
            "MQTT connection %s: %s; trying again in %.1f s.", self.options.label, reason, wait_s,
            extra={"action": "mqtt_connect_again", "connection": self.options.label},
        )  # fmt: skip
        self._dial_after(wait_s)

    def _check_answered(self, attempt: int) -> None:
        if attempt == self._attempt and self.state in (State.CONNECTING, State.SUBSCRIBING):
            self.give_up(f"no answer from the broker while {self.state.value}")

    def _misc_every_s(self) -> float:
        return max(0.1, min(5.0, self.options.keepalive_s / 4))

    def _misc(self, attempt: int) -> None:
        if attempt == self._attempt and self._socket is not None:
            self._loop.call_later(self._misc_every_s(), lambda: self._misc(attempt))
            self._client.loop_misc()

    def _write(self, packets: bytes, generation: int) -> None:
        sock = self._socket
        if sock is None or generation != self._live:
            self.dropped_writes += 1
            return
        sock.append(packets)
        self._loop.has_unwritten(self)

    def _publish_confirmed(self, live: int, topic: str, payload: bytes, on_confirmed: OnConfirmed) -> None:
        if live != self._live:
            self._call(on_confirmed, False)
            return
        info = self._client.publish(topic, payload, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._call(on_confirmed, False)
            return
        self._unconfirmed[info.mid] = on_confirmed

    def _subscribe(self, filters: list[tuple[str, int]]) -> None:
        _, mid = self._client.subscribe(filters)
        if mid is not None:
            self._asked[mid] = filters

    def _subscribe_again(self, attempt: int) -> None:
        if attempt == self._attempt and self.state is State.REFUSED_FILTERS:
            asked = dict(self.options.subscriptions)
            self._subscribe([(refused, asked[refused]) for refused in self.refused_filters])

    def _lost(self, reason: str) -> None:
        """Once for each socket, however often paho says so."""
        if self._socket is None:
            return
        self._socket = None
        live, self._live = self._live, 0
        self._asked.clear()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        if live:
            self.losses += 1
            if perf_counter() - self._connected_at_s >= STEADY_AFTER_S:
                self._backoff.reset()
        if self.state is not State.STOPPED:
            self._dial_again(self._reason or reason)
        if live:
            self._call(self._on_disconnected, live)
        for on_confirmed in unconfirmed.values():
            self._call(on_confirmed, False)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            self.callback_failures += 1
            logger.exception(
                "A callback of MQTT connection %s failed.", self.options.label,
                extra={"action": "mqtt_callback_failed", "connection": self.options.label},
            )  # fmt: skip

    # Called by paho, some with its locks held: note and leave.

    def _paho_wants_write(self, *_: object) -> None:
        if not self._flushing:
            self._loop.has_unwritten(self)

    def _paho_connected(self, _client: object, _data: object, _flags: object, code: Any, _p: object) -> None:
        # First of all: an old unlock must not be sent again by paho.
        self._client.drop_out_messages()
        if code.is_failure:
            self._reason = f"the broker refused it: {code}"
            return
        self.generation += 1
        self._live = self.generation
        self._connected_at_s = perf_counter()
        self.refused_filters = ()
        self._filter_backoff.reset()
        self._call(self._on_connected, self.generation)
        if self.options.subscriptions:
            self.state = State.SUBSCRIBING
            self._subscribe(list(self.options.subscriptions))
        else:
            self._now_ready()

    def _paho_subscribed(self, _client: object, _data: object, mid: int, codes: Any, _p: object) -> None:
        filters = self._asked.pop(mid, None)
        if filters is None:
            return
        granted = [code.value for code in codes] + [0x80] * len(filters)
        # A QoS below the one asked for would lose messages as silently as a refusal.
        self.refused_filters = tuple(
            topic_filter
            for (topic_filter, qos), code in zip(filters, granted, strict=False)
            if not qos <= code <= 2
        )
        if not self.refused_filters:
            self._now_ready()
            return
        self.state = State.REFUSED_FILTERS
        wait_s = 1.0 + self._filter_backoff.next_wait_s()
        logger.error(
            "MQTT connection %s: the broker refused %s, messages are missing; check its permissions and that "
            "max_ack_pending over all filters is at most 65,535. Asking again in %.0f s.",
            self.options.label, ", ".join(self.refused_filters), wait_s,
            extra={"action": "mqtt_filters_refused", "connection": self.options.label},
        )  # fmt: skip
        attempt = self._attempt
        self._loop.call_later(wait_s, lambda: self._subscribe_again(attempt))

    def _now_ready(self) -> None:
        self.state = State.READY
        logger.info(
            "MQTT connection %s is up.", self.options.label,
            extra={"action": "mqtt_ready", "connection": self.options.label},
        )  # fmt: skip
        self._call(self._on_ready, self.generation)

    def _paho_disconnected(
        self, _client: object, _data: object, _flags: object, code: Any, _p: object
    ) -> None:
        self._lost(f"lost: {code}")

    def _paho_published(self, _client: object, _data: object, mid: int, _code: object, _p: object) -> None:
        on_confirmed = self._unconfirmed.pop(mid, None)
        if on_confirmed is not None:
            self._call(on_confirmed, True)

    def _paho_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self._call(self._on_message, self._live, message.mid, message.dup, message.topic, message.payload)
