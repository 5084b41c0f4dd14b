"""Serves the application until a signal comes, and ends at once also while live pages are open."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.stopping import Stopping
from domain.errors import WaystationError

GRACE_S: Final = 3


class CannotListen(WaystationError):
    """The address cannot be listened on."""


class _Protocol(HttpToolsProtocol):
    """Lets a response cut off a client that does not read: a plain close would wait for it for ever."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort


class Server(uvicorn.Server):
    """uvicorn, but a signal first ends the live streams, which would otherwise keep it waiting."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C does not wait for anybody."""
        self._stopping.begin()
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Also ends when something inside cannot go on."""
        return await super().on_tick(counter) or self._stopping.begun

    def stop(self) -> None:
        """Begin to stop, from any thread."""
        self._stopping.begin()
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Open the port; raise CannotListen with one sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        why = (
            "is taken by another program"
            if error.errno == errno.EADDRINUSE
            else f"cannot be used ({error.strerror})"
        )
        raise CannotListen(
            f"Port {port} on {host} {why}: stop what uses it, or set WAYSTATION_API_PORT to another."
        ) from None
    return opened


def make_server(app: FastAPI) -> Server:
    """The server for an application made by `create_app`."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,  # addresses of people belong in no log
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=None,
    )
    return Server(config, app.state.hub.stopping)


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, then return; raises CannotListen, or what made going on impossible."""
    opened = listen(host, port)
    asyncio.run(make_server(app).serve(sockets=[opened]))
    failure: BaseException | None = app.state.hub.stopping.failure
    if failure is not None:
        raise failure
