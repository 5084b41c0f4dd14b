"""Whether one part of the hub does its work now: asked from outside it, answered in a sentence."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final, Literal

from domain.errors import StorageUnavailable
from runtime.installation import Installation

Part = Literal["broker", "gateway", "api", "courier", "sim"]
WAIT_S: Final = 3.0
LATE_MS: Final = 10 * 60_000
"""A notice that is due for longer has a receiver that is away, or a courier that does nothing."""


def complaint(here: Installation, part: Part) -> str:
    """What keeps this part from its work, as one sentence; empty when nothing does."""
    return _ASKED[part](here)


def _broker(here: Installation) -> str:
    from runtime.broker_address import broker_address

    at = broker_address(here.settings)
    try:
        with contextlib.ExitStack() as opened:
            line = opened.enter_context(socket.create_connection((at.host, at.port), WAIT_S))
            if at.tls is not None:
                opened.enter_context(at.tls.wrap_socket(line, server_hostname=at.host))
    except OSError as exc:
        return f"The broker does not answer on {at.host}, port {at.port}: {exc}."
    return ""


def _api(here: Installation) -> str:
    from runtime.broker_address import reachable
    from runtime.ready import answers

    settings = here.settings
    if answers(reachable(settings.bind), settings.api_port, "/readyz"):
        return ""
    return f"The API on port {settings.api_port} is not ready."


def _gateway(here: Installation) -> str:
    from runtime.ready import somebody_listens

    database = here.database()
    try:
        if somebody_listens(database, here.now_ms()):
            return ""
    except StorageUnavailable as exc:
        return str(exc)
    finally:
        database.close()
    return "No gateway has heard both lanes of the broker within the last seconds."


def _courier(here: Installation) -> str:
    import sqlalchemy as sa

    from storage import sending
    from storage.tables import notice

    waits = sa.select(sa.func.min(notice.c.next_ms)).where(notice.c.state.in_(("waiting", "claimed")))
    database = here.database()
    try:
        with database.read() as connection:
            oldest_ms = connection.scalar(waits)
            readings = sending.sending(connection)
    except StorageUnavailable as exc:
        return str(exc)
    finally:
        database.close()
    if readings is not None and readings.state == "locked":
        return readings.said
    late_ms = 0 if oldest_ms is None else here.now_ms() - oldest_ms
    if late_ms <= LATE_MS:
        return ""
    return f"A message to people is due for {late_ms // 60_000} minutes and was not sent."


def _sim(here: Installation) -> str:
    from device_sim.control import SimNotRunning, ask

    try:
        totals = ask(here.var_dir, {"do": "totals"})
    except SimNotRunning as exc:
        return str(exc)
    if totals["connected"] or not totals["stations"]:
        return ""
    return f"None of {totals['stations']} simulated stations is connected."


_ASKED: Final[dict[Part, Callable[[Installation], str]]] = {
    "broker": _broker,
    "gateway": _gateway,
    "api": _api,
    "courier": _courier,
    "sim": _sim,
}
