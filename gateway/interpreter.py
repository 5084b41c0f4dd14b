"""How a gateway's process uses the interpreter: when garbage is collected, how often threads change."""

from __future__ import annotations

import gc
import sys
from typing import Final

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


def tidy_up() -> None:
    """After each batch: what is left of it belongs to the fleet, and nobody looks for garbage there either.

    No batch leaves a cycle behind, whatever came; a test holds it to that.
    """
    gc.freeze()
