"""Ports of this machine that nobody listens on, and that no outgoing connection takes meanwhile."""

from __future__ import annotations

import random
import socket

# Tests beside this one open thousands of connections, whose own ports the kernel takes from above these.
_RANGE = range(20_000, 32_000)
# Test processes are seeded alike: they would all draw the same.
_DRAW = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that this process has not had yet."""
    for port in _DRAW.sample(_RANGE, 1000):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"No port from {_RANGE.start} to {_RANGE.stop - 1} seems to be free.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
