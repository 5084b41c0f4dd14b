"""Stands before InfluxDB and answers in its place when a test says so."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Verdict(NamedTuple):
    """What the proxy answers by itself. Status 0 cuts the line after InfluxDB has taken the write."""

    status: int
    body: bytes = b'{"code":"x","message":"as the test wishes"}'
    headers: tuple[tuple[str, str], ...] = ()


Judge = Callable[[bytes], Verdict | None]
"""Looks at the body of a write; None hands it on."""


class InfluxProxy:
    """Counts writes, and hands on what `judge` lets through."""

    def __init__(self, behind: str) -> None:
        self.judge: Judge = lambda _: None
        self.writes: list[int] = []
        """The number of points of each write that was asked for."""
        self.taken: list[bytes] = []
        """Each line that InfluxDB has taken, as often as it has."""
        there = urlsplit(behind)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                write = self.path.startswith("/api/v2/write")
                verdict = None
                if write:
                    proxy.writes.append(body.count(b"\n") + 1)
                    verdict = proxy.judge(body)
                    if verdict is not None and verdict.status:
                        self._answer(verdict.status, verdict.body, verdict.headers)
                        return
                line = http.client.HTTPConnection(there.hostname or "", there.port, timeout=20)
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() in ("authorization", "content-type", "content-encoding", "accept")
                }
                line.request("POST", self.path, body, headers)
                answer = line.getresponse()
                said = answer.read()
                line.close()
                if write and answer.status == 204:
                    proxy.taken += body.split(b"\n")
                if verdict is not None:
                    self.close_connection = True
                    return
                self._answer(answer.status, said)

            def _answer(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)

            def log_message(self, *said: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
