"""How a gateway's process uses the interpreter: what the collector may forget, how often threads change."""

from __future__ import annotations

import gc
import sys

YOUNG = 20_000
SWITCH_S = 0.0005
"""With the usual 5 ms, a door's reply waits 45 ms behind a backlog that is being decided."""


def settle() -> None:
    """After everything is loaded: a fleet is a million small objects that no cycle ever holds."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 50)
