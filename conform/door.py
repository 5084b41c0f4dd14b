"""A broker for one device: it shows every CONNECT and PUBLISH as it is, and can cut the line."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from conform import packets
from conform.heard import Greeting, Heard
from conform.packets import BadPacket, Connect, Packet
from domain.clock import Clock
from transport.packets import publish_packet

PATIENCE_S = 5.0
MQTT_3_1_1 = 4


class Opened(NamedTuple):
    """A CONNECT was accepted."""

    greeting: Greeting


class Subscribed(NamedTuple):
    """A filter of a SUBSCRIBE."""

    topic_filter: str
    qos: int


class Closed(NamedTuple):
    """The connection is over."""


class Refused(NamedTuple):
    """Somebody came and was not let in; `why` is a sentence for people."""

    why: str


Event = Opened | Subscribed | Closed | Refused | Heard


@dataclass(slots=True)
class _Line:
    sock: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    connect: Connect | None = None
    filters: list[str] = field(default_factory=list)
    heard_s: float = 0.0


class Door:
    """One connection counts at a time: who connects later takes over. Used by one thread.

    `allows` is asked with the password of each CONNECT. A filter is granted below `branch` only.
    """

    def __init__(
        self,
        host: str,
        port: int,
        branch: str,
        allows: Callable[[str | None], bool],
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._branch, self._allows, self._clock, self._tls = branch, allows, clock, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lines: dict[socket.socket, _Line] = {}
        self._live: _Line | None = None
        self._shut_until_s = 0.0
        self._events: list[Event] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def wait(self, timeout_s: float) -> list[Event]:
        """What happens within that time; returns as soon as something does."""
        for key, _ in self._selector.select(max(0.0, timeout_s)):
            if key.fileobj is self._listener:
                self._accept()
            elif (line := self._lines.get(key.fileobj)) is not None:  # type: ignore[call-overload]
                self._read(line)
        self._drop_the_silent()
        events, self._events = self._events, []
        return events

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0, now or never: False when nobody listens to this topic."""
        line = self._live
        if line is None or not any(packets.grants(one, topic) for one in line.filters):
            return False
        return self._send(line, publish_packet(topic, payload))

    def cut(self, shut_s: float) -> None:
        """Break the line as if the network went, and let nobody in for so long."""
        self._shut_until_s = self._clock.monotonic_s() + shut_s
        for line in list(self._lines.values()):
            # With this, closing sends a reset and not a goodbye.
            with contextlib.suppress(OSError):
                line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._close(line)

    def close(self) -> None:
        """Stop listening."""
        for line in list(self._lines.values()):
            self._close(line)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if self._clock.monotonic_s() < self._shut_until_s:
            sock.close()
            return
        try:
            sock.settimeout(PATIENCE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
        except OSError as error:
            sock.close()
            self._events.append(Refused(f"The TLS handshake failed: {error}."))
            return
        self._lines[sock] = _Line(sock, heard_s=self._clock.monotonic_s())
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, line: _Line) -> None:
        try:
            data = line.sock.recv(65_536)
            while isinstance(line.sock, ssl.SSLSocket) and line.sock.pending():
                data += line.sock.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._close(line)
            return
        line.heard_s = self._clock.monotonic_s()
        line.buffer += data
        try:
            if line.connect is None and line.buffer[0] >> 4 != packets.CONNECT:
                raise BadPacket("no CONNECT first")
            while line.sock in self._lines and (packet := packets.next_packet(line.buffer)) is not None:
                self._take(line, packet)
        except BadPacket as bad:
            self._events.append(Refused(f"It sent {bad}; the connection is closed."))
            self._close(line)

    def _take(self, line: _Line, packet: Packet) -> None:
        if line.connect is None:
            self._connect(line, packet)
        elif packet.kind == packets.PUBLISH:
            said = packets.read_publish(packet)
            if said.qos:
                self._send(line, packets.answer(4 if said.qos == 1 else 5, said.mid))
            self._events.append(Heard(said.topic, said.payload, said.qos, said.retained))
        elif packet.kind == packets.PUBREL:
            self._send(line, packets.answer(7, int.from_bytes(packet.body[:2], "big")))
        elif packet.kind == packets.SUBSCRIBE:
            mid, filters = packets.read_subscribe(packet)
            codes = []
            for topic_filter, qos in filters:
                granted = topic_filter.startswith(self._branch)
                codes.append(0 if granted else 0x80)
                line.filters += [topic_filter] if granted else []
                self._events.append(Subscribed(topic_filter, qos))
            self._send(line, packets.suback(mid, codes))
        elif packet.kind == packets.UNSUBSCRIBE:
            self._send(line, packets.answer(11, int.from_bytes(packet.body[:2], "big")))
        elif packet.kind == packets.PINGREQ:
            self._send(line, packets.PINGRESP)
        elif packet.kind == packets.DISCONNECT:
            self._close(line)
        elif packet.kind == packets.CONNECT:
            raise BadPacket("a second CONNECT")

    def _connect(self, line: _Line, packet: Packet) -> None:
        said = packets.read_connect(packet)
        code = 0
        if said.level != MQTT_3_1_1:
            code = packets.BAD_PROTOCOL
            self._events.append(
                Refused(f"It speaks MQTT level {said.level}; the contract is 3.1.1 (level 4).")
            )
        elif not self._allows(said.password):
            code = packets.BAD_PASSWORD
            self._events.append(Refused("It came with a password that is not good for this station."))
        if not self._send(line, packets.connack(code)) or code:
            self._close(line)
            return
        if self._live is not None:
            self._close(self._live)
        line.connect, self._live = said, line
        self._events.append(Opened(Greeting(said.clean, said.will)))

    def _drop_the_silent(self) -> None:
        now_s = self._clock.monotonic_s()
        for line in list(self._lines.values()):
            allowed_s = line.connect.keepalive_s * 1.5 if line.connect is not None else PATIENCE_S
            if allowed_s and now_s - line.heard_s > allowed_s:
                self._close(line)

    def _send(self, line: _Line, data: bytes) -> bool:
        try:
            line.sock.sendall(data)
        except OSError:
            self._close(line)
            return False
        return True

    def _close(self, line: _Line) -> None:
        if self._lines.pop(line.sock, None) is None:
            return
        self._selector.unregister(line.sock)
        line.sock.close()
        if line is self._live:
            self._live = None
            self._events.append(Closed())
