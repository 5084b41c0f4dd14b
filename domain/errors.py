"""Every error that Waystation raises on purpose, with the sentence that explains it."""

from __future__ import annotations

from typing import ClassVar


class WaystationError(Exception):
    """Something in Waystation went wrong."""

    permanent: ClassVar[bool] = True
    """False when trying the same thing again may help."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class BadMessage(WaystationError):
    """A device message cannot be understood.

    `reason` is a short code for counting, `path` says where in the message (`slots.3.temp_c`),
    `detail` says what was wrong. `boot` and `seq` are known when the envelope could be read.
    """

    def __init__(
        self, reason: str, path: str, detail: str, *, boot: str | None = None, seq: int | None = None
    ) -> None:
        super().__init__(f"{path}: {detail}" if path else detail)
        self.reason = reason
        self.path = path
        self.detail = detail
        self.boot = boot
        self.seq = seq


class BadTopic(BadMessage):
    """A topic is not one of the contract's."""


class BadRulebook(WaystationError):
    """A rulebook cannot be used; the message names file, line and field."""


class BadSettings(WaystationError):
    """A setting is unknown or has a value that cannot be used."""


class ShardLost(WaystationError):
    """Another gateway has taken this shard; this process must end before it reconnects."""


class StorageUnavailable(WaystationError):
    """The database does not answer at the moment."""

    permanent = False


class NotFound(WaystationError):
    """There is no such thing, or it is not yours to see."""


class Conflict(WaystationError):
    """The thing is in another state than this request expects."""
