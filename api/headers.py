"""What every answer carries for browsers, and when each request arrived."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.clock import Clock
from web.pages import CONTENT_SECURITY_POLICY

_ALWAYS: Final = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), payment=(), usb=(), geolocation=(self)",
    b"cache-control": b"no-store",
}
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Adds each header that an answer does not bring itself; errors and files included.

    It also notes `arrived_s`, by the monotonic clock, in the request's state: a door must not open
    for a request that waited too long.
    """

    def __init__(self, app: ASGIApp, *, clock: Clock, secure: bool) -> None:
        self._app = app
        self._clock = clock
        self._headers = [*_ALWAYS.items(), *([_HSTS] if secure else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["arrived_s"] = self._clock.monotonic_s()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                there = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in self._headers if name not in there]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)
