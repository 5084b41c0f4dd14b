"""Questions whose answers tell that a part of the hub is ready."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from domain.clock import Clock
from storage.database import Database
from storage.shards import worker
from storage.tables import speaker

_WAIT_S = 1.0
FRESH_MS = 3_000
LOOK_EVERY_S = 0.1


def answers(host: str, port: int, path: str | None = None) -> bool:
    """True when somebody listens there and, with a path, answers 200 to a GET of it."""
    if path is None:
        try:
            socket.create_connection((host, port), _WAIT_S).close()
        except OSError:
            return False
        return True
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def written_since(path: Path, since_ms: int) -> bool:
    """True when the file was written after `since_ms` (epoch milliseconds, to the second)."""
    try:
        return path.stat().st_mtime_ns // 1_000_000 >= since_ms - 1_000
    except FileNotFoundError:
        return False


def station_speaks(database: Database, since_ms: int) -> bool:
    """True when some station that is online has spoken after `since_ms`."""
    spoke = sa.exists().where(speaker.c.link == "online", speaker.c.seen_ms >= since_ms)
    with database.read() as connection:
        return bool(connection.scalar(sa.select(spoke)))


def somebody_listens(database: Database, now_ms: int) -> bool:
    """True when some gateway hears both lanes at this moment."""
    with database.read() as connection:
        found = worker(connection, 0)
    return (
        found is not None
        and now_ms - found.seen_ms < FRESH_MS
        and found.quick_since_ms is not None
        and found.bulk_since_ms is not None
    )


def wait_for_a_gateway(
    database: Database, clock: Clock, stops: Callable[[float], bool], within_s: float = 20.0
) -> None:
    """Wait until one listens, at most so long, or until `stops(seconds)` says so.

    Before a gateway has ever subscribed, a broker confirms messages that are gone.
    """
    until_s = clock.monotonic_s() + within_s
    while not somebody_listens(database, clock.now_ms()) and clock.monotonic_s() < until_s:
        if stops(LOOK_EVERY_S):
            return


def gateway_listens(database: Database, since_ms: int) -> bool:
    """True when a gateway that started after `since_ms` hears both lanes."""
    with database.read() as connection:
        found = worker(connection, 0)
    return (
        found is not None
        and found.seen_ms >= since_ms
        and found.quick_since_ms is not None
        and found.bulk_since_ms is not None
        and min(found.quick_since_ms, found.bulk_since_ms) >= since_ms
    )
