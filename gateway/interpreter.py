"""How a gateway's process uses the interpreter: when garbage is collected, how often threads change."""

from __future__ import annotations

import gc
import sys
from typing import Final

BATCHES: Final = 1_000
"""Each leaves a few kilobytes in cycles behind, that only the collector finds: four megabytes in all."""
MESSAGES: Final = 100_000
"""Each leaves newer states behind; the collector looks at all of them, for a tenth of a second or two."""
FAR_TOO_MANY: Final = 1_000_000
SWITCH_S: Final = 0.0005
"""With the usual 5 ms, a door's reply waits 45 ms behind a backlog that is being decided."""


def settle() -> None:
    """After everything is loaded: a fleet is a million small objects that no cycle ever holds."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    # In the midst of a batch all of it is alive: to look for garbage then cost a quarter of the time.
    gc.set_threshold(FAR_TOO_MANY, 50, 50)


class Tidy:
    """Collects between two batches, now and then; what is alive then is looked at once."""

    def __init__(self) -> None:
        self._batches = self._messages = 0

    def after(self, messages: int) -> None:
        """A batch of so many messages is over."""
        if not messages:
            return
        self._batches += 1
        self._messages += messages
        if self._batches >= BATCHES or self._messages >= MESSAGES:
            self._batches = self._messages = 0
            gc.collect(1)
            gc.freeze()
