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
        try:
            result = work()
        except StorageUnavailable as failure:
            result = self._after([failure], work)
        self._health.database_works()
        return result

    def _after(self, failures: list[StorageUnavailable], work: Callable[[], T]) -> T:
        """Made only here: a `Retrying` holds itself, so that counting alone never frees it."""
        tries = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            stop=stop_when_event_set(self._stop),
            before_sleep=self._health.database_fails,
            reraise=True,
        )

        def attempt() -> T:
            if failures:
                raise failures.pop()
            return work()

        return tries(attempt)
