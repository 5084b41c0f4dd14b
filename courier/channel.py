"""What any way to reach people must be able to do, and one that only remembers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """`key` names what is told and stays the same when it is sent again; `body` is JSON-able."""

    key: str
    body: Mapping[str, Any]


class NotDelivered(Exception):
    """A channel could not deliver.

    `permanent`: trying again cannot help. `maybe_arrived`: nobody knows whether it did.
    `retry_after_s`: how long the other side asked to be left alone.
    """

    def __init__(
        self,
        said: str,
        *,
        permanent: bool = False,
        maybe_arrived: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(said)
        self.permanent = permanent
        self.maybe_arrived = maybe_arrived
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """Delivers one message at a time."""

    @property
    def name(self) -> str:
        """The word that notices name it by."""
        ...

    def send(self, message: Message) -> None:
        """Return when it has arrived; raise NotDelivered otherwise."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class RecordingChannel:
    """Keeps messages in memory, for tests and for trying out rules; `broken` makes it fail."""

    def __init__(self, name: str = "webhook") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._messages: list[Message] = []
        self.broken: NotDelivered | None = None

    @property
    def name(self) -> str:
        """The word that notices name it by."""
        return self._name

    @property
    def messages(self) -> list[Message]:
        """All that arrived, in order."""
        with self._lock:
            return list(self._messages)

    def send(self, message: Message) -> None:
        """Remember it. A failure after which it may have arrived remembers it as well."""
        broken = self.broken
        with self._lock:
            if broken is None or broken.maybe_arrived:
                self._messages.append(message)
        if broken is not None:
            raise broken

    def close(self) -> None:
        """Nothing to let go of."""
