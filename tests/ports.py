"""Ports of this machine that nobody listens on, and that nobody takes before the test does."""

from __future__ import annotations

import os
import random
import socket

# Tests beside this one open thousands of connections, whose own ports the kernel takes from above these.
# A port may be given a minute before something listens on it, so each test process has some for itself.
_RANGE = range(12_000, 32_000)
_FOR_EACH = 1_500
# Test processes are seeded alike, and somebody may run two suites at once: they would draw the same.
_DRAW = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that this process has not had yet."""
    own = _own_ports()
    for port in _DRAW.sample(own, len(own)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"No port from {own.start} to {own.stop - 1} is left.")


def _own_ports() -> range:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    begin = number % (len(_RANGE) // _FOR_EACH) * _FOR_EACH
    return _RANGE[begin : begin + _FOR_EACH]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
