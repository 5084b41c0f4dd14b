"""Waiting for something to become true, with a deadline instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(fn: Callable[[], T], timeout_s: float = 10.0, *, every_s: float = 0.02, saying: str = "") -> T:
    """Call `fn` until it returns something true or stops failing an assertion; return that.

    After `timeout_s` the last failed assertion is raised, or an AssertionError with the last value.
    Any other exception of `fn` comes through at once.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        failure: AssertionError | None = None
        value: T | None = None
        try:
            value = fn()
            if value:
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() >= deadline_s:
            if failure is not None:
                raise failure
            raise AssertionError(f"not within {timeout_s:g} s: {saying or fn!r} (last value {value!r})")
        time.sleep(every_s)
