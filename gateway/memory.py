"""Tell Python's garbage collector what will stay, so that it does not count it over and over."""

from __future__ import annotations

import gc

YOUNG = 20_000


def settle_memory() -> None:
    """After everything is loaded: a fleet is a million small objects that no cycle ever holds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 50)
