"""How far a connection is, and whom it tells."""

from __future__ import annotations

import enum
from collections.abc import Callable

from transport.publishes import Publish


class State(enum.Enum):
    """REFUSED_FILTERS is connected and deaf in part: it counts as not ready."""

    STOPPED = "stopped"
    WAITING = "waiting"
    DIALLING = "dialling"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    REFUSED_FILTERS = "refused_filters"


OnMessage = Callable[[int, int, bool, str, bytes], None]
"""(generation, mid, dup, topic, payload); mid is 0 for QoS 0."""

OnPublishes = Callable[[int, list[Publish]], None]
"""The generation, and all messages that came in one piece."""

OnGeneration = Callable[[int], None]
"""Which connection it is about, counted from 1."""

OnConfirmed = Callable[[bool], None]
"""True when the broker has confirmed, False when the connection was lost before."""


def nobody(*_: object) -> None:
    """No one is interested."""
