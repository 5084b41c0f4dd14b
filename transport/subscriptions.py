"""The filters a connection needs, and which of them the broker has really granted."""

from __future__ import annotations

from collections.abc import Iterable

from transport.backoff import Backoff
from transport.client import DrivenClient

FIRST_RETRY_S = 1.0


class Subscriptions:
    """A refused filter loses messages without a word, so every code of every SUBACK is looked at."""

    def __init__(self, wanted: tuple[tuple[str, int], ...], longest_backoff_s: float) -> None:
        self._wanted = wanted
        self._asked: dict[int, tuple[tuple[str, int], ...]] = {}
        self._backoff = Backoff(longest_backoff_s)
        self.refused: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def begin_connection(self) -> None:
        """Nothing is asked, nothing is refused."""
        self._asked.clear()
        self._backoff.reset()
        self.refused = ()

    def ask(self, client: DrivenClient) -> None:
        """Ask for what was refused, or for everything when nothing was."""
        filters = tuple(want for want in self._wanted if not self.refused or want[0] in self.refused)
        _, mid = client.subscribe(list(filters))
        if mid is not None:
            self._asked[mid] = filters

    def answered(self, mid: int, codes: Iterable[int]) -> bool:
        """Read one SUBACK; False when it belongs to none of our requests. `refused` says the rest."""
        asked = self._asked.pop(mid, None)
        if asked is None:
            return False
        granted = [*codes, *[0x80] * len(asked)]
        # A QoS below the one asked for would lose messages as silently as a refusal.
        self.refused = tuple(
            topic_filter
            for (topic_filter, qos), code in zip(asked, granted, strict=False)
            if not qos <= code <= 2
        )
        return True

    def next_try_s(self) -> float:
        """How long to wait before asking again."""
        return FIRST_RETRY_S + self._backoff.next_wait_s()
