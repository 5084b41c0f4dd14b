"""One MQTT connection that comes back by itself and never sends anything late."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from time import perf_counter
from typing import Any

from transport.backoff import Backoff
from transport.client import DrivenClient
from transport.loop import MqttLoop
from transport.options import ConnectionOptions
from transport.packets import check_topic_and_payload, pubacks, publish_packet
from transport.publishes import Publish
from transport.state import OnConfirmed, OnGeneration, OnMessage, OnPublishes, State, nobody
from transport.subscriptions import Subscriptions
from transport.wire import Wire

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
STEADY_AFTER_S = 5.0
FIRST_MID, LAST_MID = 0x8000, 0xFFFF
"""Of what we publish; paho counts its own packets from 1."""


class Connection:
    """Public methods may be called from any thread; callbacks run in the loop's thread and must be short.

    `on_connected(generation)` comes before any message of that connection, `on_ready(generation)` when
    every filter was granted, `on_disconnected(generation)` once for each `on_connected`.
    `on_publishes(generation, several)` takes the place of `on_message`: all that came in one piece.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        loop: MqttLoop,
        on_message: OnMessage = nobody,
        on_connected: OnGeneration = nobody,
        on_disconnected: OnGeneration = nobody,
        *,
        on_ready: OnGeneration = nobody,
        on_publishes: OnPublishes | None = None,
    ) -> None:
        self.options = options
        self.state = State.STOPPED
        self.generation = 0
        self.connects = 0
        self.losses = 0
        self.callback_failures = 0
        self.dropped_writes = 0
        self._live = 0  # the generation while connected, else 0
        self._loop = loop
        self._on_message = on_message
        self._on_publishes = on_publishes
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._on_ready = on_ready
        self.attempts = 0
        self._connected_at_s = 0.0
        self._alive_every_s = options.keepalive_s / 4
        self._told = ""
        self._unconfirmed: dict[int, OnConfirmed] = {}
        self._mid = LAST_MID
        self._backoff = Backoff(options.longest_backoff_s)
        self._subscriptions = Subscriptions(options.subscriptions, options.longest_backoff_s)
        self._client = self._new_client()
        self._wire = Wire(self._client, loop, self._received, self._confirmed, self._lost)

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
        return self._wire.clogged

    @property
    def refused_filters(self) -> tuple[str, ...]:
        """Filters that the broker does not grant at present; they are asked for again and again."""
        return self._subscriptions.refused

    def start(self, after_s: float = 0.0) -> None:
        """Connect, and connect again whenever it is lost, until `stop`."""
        self._loop.hand_over(lambda: self._start(after_s))

    def stop(self, *, abruptly: bool = False) -> None:
        """Leave and stay away; `abruptly` without a DISCONNECT, so that the broker sends the will."""
        # Never at once: inside a callback paho's locks are held.
        self._loop.hand_over(lambda: self._stop(abruptly))

    def reconnect(self, reason: str) -> None:
        """Drop the present connection and come back; the broker then sends again what is not acknowledged."""
        self._loop.hand_over(lambda: self._wire.give_up(reason))

    def publish(self, topic: str, payload: bytes, qos: int = 0, on_confirmed: OnConfirmed = nobody) -> bool:
        """Send now or not at all: False when not connected (nothing is kept for later) or too much waits.

        True means handed to the live connection; only `on_confirmed(True)` (QoS 1) says that the broker
        has it. Raises BadTopic or BadMessage for what a broker would not take.
        """
        live = self._live
        if qos == 0:
            packet = publish_packet(topic, payload)
            return not self.clogged and self.write(packet, live)
        check_topic_and_payload(topic, payload)
        if not live or len(self._unconfirmed) >= self.options.max_unconfirmed:
            return False
        self._loop.do(lambda: self._publish_confirmed(live, topic, payload, on_confirmed))
        return True

    def write(self, packets: bytes, generation: int) -> bool:
        """Send whole packets that we encoded if `generation` is still connected, else drop them."""
        if not generation or generation != self._live:
            return False
        self._loop.do(lambda: self._write(packets, generation))
        return True

    def _new_client(self) -> DrivenClient:
        options = self.options
        client = DrivenClient(client_id=options.client_id, clean_session=options.clean_session)
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        client.connect_async(options.host, options.port, options.keepalive_s)
        client.on_connect = self._connack
        client.on_subscribe = self._suback
        return client

    def _start(self, after_s: float) -> None:
        if self.state is State.STOPPED:
            self.state = State.WAITING
            self._dial_after(after_s)

    def _stop(self, abruptly: bool) -> None:
        self.state = State.STOPPED
        self.attempts += 1
        if abruptly:
            self._wire.give_up("stopped")
        else:
            self._wire.leave()

    def _dial_after(self, wait_s: float) -> None:
        self.attempts += 1
        attempt = self.attempts
        self._loop.call_later(wait_s, lambda: self._dial(attempt))

    def _dial(self, attempt: int) -> None:
        if attempt == self.attempts:
            self.state = State.DIALLING
            to = self.options
            self._loop.dial(to.host, to.port, to.tls, lambda got: self._dialled(attempt, got), to.may_dial)

    def _dialled(self, attempt: int, outcome: socket.socket | OSError) -> None:
        if isinstance(outcome, OSError):
            if attempt == self.attempts:
                self._dial_again(f"cannot be reached: {outcome}")
            return
        if attempt != self.attempts or self._loop.ended:
            outcome.close()
            return
        self.state = State.CONNECTING
        self._loop.call_later(ANSWER_WITHIN_S, lambda: self._check_answered(attempt))
        self._loop.call_later(self._alive_every_s, lambda: self._keep_alive(attempt))
        self.connects += 1
        self._call(self._set_will)
        self._wire.open(outcome)

    def _set_will(self) -> None:
        will = self.options.will
        if will is not None:
            topic, payload, qos = will(self.connects) if callable(will) else will
            self._client.will_set(topic, payload, qos, retain=False)

    def _dial_again(self, reason: str) -> None:
        self.state = State.WAITING
        wait_s = self._backoff.next_wait_s()
        level = logging.DEBUG if reason == self._told else self.options.log_level
        self._told = reason  # the same failure again is not told again
        logger.log(
            level, "MQTT connection %s: %s; trying again in %.1f s.", self.options.label, reason, wait_s,
            extra={"action": "mqtt_connect_again", "connection": self.options.label},
        )  # fmt: skip
        self._dial_after(wait_s)

    def _check_answered(self, attempt: int) -> None:
        if attempt == self.attempts and self.state in (State.CONNECTING, State.SUBSCRIBING):
            self._wire.give_up(f"no answer from the broker while {self.state.value}")

    def _keep_alive(self, attempt: int) -> None:
        if attempt == self.attempts and self._wire.is_open:
            self._loop.call_later(self._alive_every_s, lambda: self._keep_alive(attempt))
            self._wire.keep_alive(self.options.keepalive_s - self._alive_every_s)

    def _write(self, packets: bytes, generation: int) -> None:
        if generation != self._live or not self._wire.write(packets):
            self.dropped_writes += 1

    def _publish_confirmed(self, live: int, topic: str, payload: bytes, on_confirmed: OnConfirmed) -> None:
        if live == self._live and len(self._unconfirmed) < self.options.max_unconfirmed:
            mid = self._mid_that_is_free()
            if self._wire.write(publish_packet(topic, payload, mid)):
                self._unconfirmed[mid] = on_confirmed
                return
        self._call(on_confirmed, False)

    def _mid_that_is_free(self) -> int:
        mid, taken = self._mid, True
        while taken:
            mid = mid + 1 if mid < LAST_MID else FIRST_MID
            taken = mid in self._unconfirmed
        self._mid = mid
        return mid

    def _ask_again(self, attempt: int) -> None:
        if attempt == self.attempts and self.state is State.REFUSED_FILTERS:
            self._subscriptions.ask(self._client)

    def _now_ready(self) -> None:
        self.state = State.READY
        self._told = ""
        logger.log(
            min(self.options.log_level, logging.INFO), "MQTT connection %s is up.", self.options.label,
            extra={"action": "mqtt_ready", "connection": self.options.label},
        )  # fmt: skip
        self._call(self._on_ready, self.generation)

    def _lost(self, reason: str) -> None:
        live, self._live = self._live, 0
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        if live:
            self.losses += 1
            # Two holders of one client id throw each other out at once: that is no success.
            if perf_counter() - self._connected_at_s >= STEADY_AFTER_S:
                self._backoff.reset()
        if self.state is not State.STOPPED:
            self._dial_again(reason)
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

    def _received(self, publishes: list[Publish]) -> None:
        if self._on_publishes is not None:
            self._call(self._on_publishes, self._live, publishes)
        else:
            for publish in publishes:
                self._call(self._on_message, self._live, *publish)
        if not self.options.manual_ack:
            mids = [publish[0] for publish in publishes if publish[0]]
            if mids:
                self._wire.write(pubacks(mids))

    def _confirmed(self, mids: list[int]) -> None:
        for mid in mids:
            on_confirmed = self._unconfirmed.pop(mid, None)
            if on_confirmed is not None:
                self._call(on_confirmed, True)

    # Called by paho, some with its locks held: note and leave.

    def _connack(self, _client: object, _data: object, _flags: object, code: Any, _p: object) -> None:
        if code.is_failure:
            self._wire.explain(f"the broker refused it: {code}")
            return
        self.generation += 1
        self._live = self.generation
        self._connected_at_s = perf_counter()
        self._subscriptions.begin_connection()
        self._call(self._on_connected, self.generation)
        if self._subscriptions:
            self.state = State.SUBSCRIBING
            self._subscriptions.ask(self._client)
        else:
            self._now_ready()

    def _suback(self, _client: object, _data: object, mid: int, codes: Any, _p: object) -> None:
        if not self._subscriptions.answered(mid, [code.value for code in codes]):
            return
        if not self.refused_filters:
            self._now_ready()
            return
        self.state = State.REFUSED_FILTERS
        wait_s = self._subscriptions.next_try_s()
        logger.error(
            "MQTT connection %s: the broker refused %s, messages are missing; check its permissions and that "
            "max_ack_pending over all filters is at most 65,535. Asking again in %.0f s.",
            self.options.label, ", ".join(self.refused_filters), wait_s,
            extra={"action": "mqtt_filters_refused", "connection": self.options.label},
        )  # fmt: skip
        attempt = self.attempts
        self._loop.call_later(wait_s, lambda: self._ask_again(attempt))
