"""Times as people and programs exchange them: RFC 3339 in UTC, with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_999


@overload
def text_of(at_ms: int) -> str: ...
@overload
def text_of(at_ms: int | None) -> str | None: ...
def text_of(at_ms: int | None) -> str | None:
    """`2026-11-23T12:00:00.000Z` for epoch milliseconds; None stays None."""
    if at_ms is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=min(max(at_ms, 0), _LATEST_MS))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def ms_of(moment: datetime) -> int:
    """Epoch milliseconds of a time that carries its zone."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
