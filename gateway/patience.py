"""Trying again for as long as the database does not answer; meanwhile the broker holds everything."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential

from domain.errors import StorageUnavailable
from gateway.health import Health

T = TypeVar("T")


class Patience:
    """Ends with StorageUnavailable only when the gateway is told to stop."""

    def __init__(self, stop: Event, health: Health) -> None:
        self._stop = stop
        self._health = health

    def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which may be called many times."""
        tries = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            stop=stop_when_event_set(self._stop),
            before_sleep=self._health.database_fails,
            reraise=True,
        )
        result: T = tries(work)
        self._health.database_works()
        return result
