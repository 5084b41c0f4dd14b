"""One paho client on one socket, moved by the loop: what comes in is read, what waits is written."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import perf_counter

from domain.errors import BadMessage
from transport.client import DrivenClient
from transport.loop import MqttLoop
from transport.publishes import Publish
from transport.socket_buffer import BufferedSocket


class Wire:
    """Used in the loop's thread only. `on_lost(reason)` comes once for each opened socket.

    paho reports one lost connection up to twice, and calls back with its own locks held; so `on_lost`
    must not close anything.
    """

    def __init__(
        self,
        client: DrivenClient,
        loop: MqttLoop,
        on_publishes: Callable[[list[Publish]], None],
        on_confirmed: Callable[[list[int]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._client = client
        self._loop = loop
        self._on_publishes = on_publishes
        self._on_confirmed = on_confirmed
        self._on_lost = on_lost
        self._sock: BufferedSocket | None = None
        self._flushing = False
        self._waits = False
        self._reason = ""
        client.on_disconnect = self._disconnected
        client.on_socket_register_write = self._wants_write

    @property
    def is_open(self) -> bool:
        """True between `open` and `on_lost`."""
        return self._sock is not None

    @property
    def clogged(self) -> bool:
        """True when the broker has not read for so long that nothing optional should be sent."""
        sock = self._sock
        return sock is not None and sock.is_clogged()

    def open(self, sock: socket.socket) -> None:
        """Take over a connected socket and send CONNECT."""
        self._reason = ""
        self._waits = False
        self._sock = self._client.dialled = BufferedSocket(sock, self._loop.forget)
        self._loop.watch(sock.fileno(), self)
        self._client.reconnect()
        self._loop.has_unwritten(self)

    def write(self, packets: bytes) -> bool:
        """Send whole packets that we encoded, between paho's own; False when there is no socket."""
        sock = self._sock
        if sock is None:
            return False
        sock.append(packets)
        self._loop.has_unwritten(self)
        return True

    def keep_alive(self, within_s: float) -> None:
        """Let paho ping, or notice that the broker no longer answers, unless both sides spoke lately.

        paho itself sees nothing of what passes it by.
        """
        sock = self._sock
        if sock is not None and min(sock.read_s, sock.written_s) < perf_counter() - within_s:
            self._client.loop_misc()

    def leave(self) -> None:
        """Say DISCONNECT, then close."""
        if self._sock is not None:
            self._client.disconnect()
            self.flush()
            self.give_up("left")

    def explain(self, reason: str) -> None:
        """What `on_lost` shall say instead of paho's words."""
        self._reason = reason

    def readable(self) -> None:
        """Read what is there: messages, and what confirms ours, are handed on; all else is paho's."""
        sock = self._sock
        if sock is None:
            return
        sock.fill()
        broken = ""
        while self._sock is sock:
            publishes: list[Publish] = []
            try:
                sock.read_publishes(publishes)
            except BadMessage as bad:
                broken = f"what the broker sent makes no sense: {bad}"
            if publishes:
                self._on_publishes(publishes)
            if broken:
                self.give_up(broken)
                return
            confirmed: list[int] = []
            sock.read_pubacks(confirmed)
            if confirmed:
                self._on_confirmed(confirmed)
                continue
            if not sock.holds_packet():
                break
            self._client.loop_read()
        if sock.is_deep():
            self._loop.has_unread(self)

    def flush(self) -> None:
        """Move paho's packets into the socket's buffer and write what the kernel takes."""
        sock = self._sock
        if sock is None:
            return
        self._flushing = True
        try:
            while True:
                if self._client.want_write():
                    self._client.loop_write()
                    if self._sock is not sock:
                        return
                empty = sock.flush()
                if not empty or not self._client.want_write():
                    break
            if sock.broken:
                self._client.loop_read()
            elif self._waits is empty:
                self._waits = not empty
                self._loop.watch_writing(sock.fileno(), self._waits)
        finally:
            self._flushing = False

    def give_up(self, reason: str) -> None:
        """Drop the socket without a word to the broker."""
        sock = self._sock
        if sock is None:
            return
        self.explain(reason)
        sock.break_off()
        try:
            self._client.loop_read()
        finally:
            if self._sock is sock:
                sock.close()
                self._ended(reason)

    def _ended(self, reason: str) -> None:
        if self._sock is not None:
            self._sock = None
            self._on_lost(self._reason or reason)

    def _wants_write(self, *_: object) -> None:
        if not self._flushing:
            self._loop.has_unwritten(self)

    def _disconnected(self, _client: object, _data: object, _flags: object, code: object, _p: object) -> None:
        self._ended(f"lost: {code}")
