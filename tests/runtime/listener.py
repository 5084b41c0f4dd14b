"""MQTT clients of the tests, which remember what was delivered to them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from runtime.broker import Broker
from runtime.secrets import Secrets
from tests.waiting import eventually

ADCODE = "331002"
ALICE, BOB = "331002-0001", "331002-0002"


class Delivered(NamedTuple):
    """One message as a client received it."""

    topic: str
    payload: bytes
    retained: bool


class Listener:
    """A paho client in its own thread that keeps what it hears."""

    def __init__(
        self,
        port: int,
        password: str | None,
        client_id: str = "",
        *,
        persistent: bool = False,
        will: tuple[str, bytes, bool] | None = None,
        username: str = "station",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.delivered: list[Delivered] = []
        self.connected: list[str] = []
        self.session_present = False
        self.lost = threading.Event()
        self._granted: dict[int, list[Any]] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=not persistent)
        if password is not None:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=will[2])
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port, keepalive=30)
        self._client.loop_start()
        eventually(lambda: self.connected, saying="an answer to CONNECT")

    @property
    def welcome(self) -> bool:
        return self.connected[0] == "Success"

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.delivered]

    def subscribe(self, topic_filter: str, qos: int = 0) -> bool:
        """True when the broker grants it, which says nothing about what will be delivered."""
        mid = self._client.subscribe(topic_filter, qos)[1]
        assert mid is not None
        eventually(lambda: mid in self._granted, saying="an answer to SUBSCRIBE")
        return not self._granted[mid][0].is_failure

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Publish and wait for the broker's PUBACK, which it gives for refused messages too."""
        sent = self._client.publish(topic, payload, qos=qos, retain=retain)
        eventually(sent.is_published, saying="PUBACK")

    def send(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 without waiting."""
        self._client.publish(topic, payload, qos=1)

    def break_off(self) -> None:
        """Lose the connection without a word, so that the broker publishes the will."""
        sock = self._client.socket()
        assert isinstance(sock, socket.socket)
        ending = threading.Thread(target=self._client.loop_stop)
        ending.start()  # it waits for the loop, which wakes when the socket ends
        sock.shutdown(socket.SHUT_RDWR)
        ending.join()
        self._client.loop_misc()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def exchange_s(self, topic: str) -> float:
        """How long one QoS 1 publish takes until its PUBACK."""
        began_s = time.monotonic()
        self._client.publish(topic, b"x", qos=1).wait_for_publish(5)
        return time.monotonic() - began_s

    def _on_connect(self, _client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        self.session_present = bool(flags.session_present)
        self.connected.append(str(reason))
        if reason.is_failure:
            self._client.disconnect()

    def _on_disconnect(self, *_arguments: Any) -> None:
        self.lost.set()

    def _on_subscribe(self, _client: Any, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        self._granted[mid] = list(reasons)

    def _on_message(self, _client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.delivered.append(Delivered(message.topic, bytes(message.payload), message.retain))


class RunningBroker(NamedTuple):
    """A broker that answers, its secrets and its port."""

    broker: Broker
    secrets: Secrets
    port: int


Connect = Callable[..., Listener]


def password_of(running: RunningBroker, station: str = ALICE) -> str:
    """A fresh credential of a station."""
    return running.secrets.issue_station(ADCODE, station, time.time_ns() // 1_000_000)
