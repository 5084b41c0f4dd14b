"""The first MQTT connection that a new broker ever gets, made alone, because nats-server cannot take two.

At the first CONNECT of an account nats-server makes the streams in which messages and sessions are kept.
When two come at once it makes them twice, and the stream of messages may refuse every write from then on
("lmb missing"), until the broker is started again.
"""

from __future__ import annotations

import secrets as random_words
import time
from pathlib import Path

from domain.clock import Clock
from domain.errors import WaystationError
from runtime.secrets import Secrets
from transport.bus import HubBus

MADE = "streams.made"
LOOK_EVERY_S = 0.02


class NoFirstConnection(WaystationError):
    """The new broker takes no connection."""


def is_needed(folder: Path, store: Path) -> bool:
    """True while the broker's streams were never made, or went with its store."""
    return not ((folder / MADE).exists() and store.exists())


def make_streams(folder: Path, port: int, keys: Secrets, clock: Clock, timeout_s: float) -> None:
    """Connect once to the broker on this loopback port, and note that it was done."""
    bus = HubBus(
        "127.0.0.1",
        port,
        f"first-{random_words.token_hex(8)}",
        username="api",
        password=keys.broker_passwords["api"],
        on_hint=lambda *_: None,
    )
    deadline_s = clock.monotonic_s() + timeout_s
    bus.start()
    try:
        while not bus.ready:
            if clock.monotonic_s() > deadline_s:
                raise NoFirstConnection(f"The new broker takes no connection within {timeout_s:.0f} s.")
            time.sleep(LOOK_EVERY_S)
    finally:
        bus.stop()
    (folder / MADE).touch(mode=0o600)
