"""The API behind a real server on a port of its own, and a client that reads server-sent events."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI

from api.server import Server, listen, make_server
from tests.waiting import eventually


class Served(NamedTuple):
    """A running server."""

    server: Server
    port: int
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(app: FastAPI) -> Iterator[Served]:
    """Run it in a thread and stop it afterwards."""
    opened = listen("127.0.0.1", 0)
    server = make_server(app)

    def run() -> None:
        asyncio.run(server.serve(sockets=[opened]))

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: server.started and app.state.hub.board.looked_s is not None)
    try:
        yield Served(server, opened.getsockname()[1], thread)
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


class Event(NamedTuple):
    """One event; `at_s` when it came, by the monotonic clock."""

    name: str
    data: Any
    at_s: float


class EventClient:
    """A plain socket, so that a test can also stop reading."""

    def __init__(
        self, port: int, path: str, headers: Mapping[str, str] | None = None, *, small: bool = False
    ):
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: test",
            *(f"{k}: {v}" for k, v in (headers or {}).items()),
            "",
            "",
        ]
        self.socket.sendall("\r\n".join(lines).encode())
        self._buffer = b""
        self.ended = False

    def head(self) -> str:
        """Status line and headers."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        self._chunks, self._buffer = self._buffer, b""
        return head.decode()

    def next(self) -> Event | None:
        """The next event, or None at the end."""
        while b"\n\n" not in self._buffer:
            if self.ended or not self._chunk():
                return None
        text, self._buffer = self._buffer.split(b"\n\n", 1)
        lines = dict(line.split(": ", 1) for line in text.decode().split("\n"))
        return Event(lines["event"], json.loads(lines["data"]), time.monotonic())

    def until(self, name: str) -> Event:
        """The next event of this name."""
        while True:
            event = self.next()
            assert event is not None, f"the stream ended before {name}"
            if event.name == name:
                return event

    def close(self) -> None:
        self.socket.close()

    def _chunk(self) -> bool:
        while b"\r\n" not in self._chunks:
            if not self._receive():
                return False
        size, rest = self._chunks.split(b"\r\n", 1)
        wanted = int(size, 16)
        self._chunks = rest
        while len(self._chunks) < wanted + 2:
            if not self._receive():
                return False
        self._buffer += self._chunks[:wanted]
        self._chunks = self._chunks[wanted + 2 :]
        self.ended = wanted == 0
        return not self.ended

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._chunks += data
        self.ended = not data
        return bool(data)

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, "the connection was closed before the headers came"
        self._buffer += data
