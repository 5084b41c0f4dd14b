"""A port that nobody listened on a moment ago."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A free TCP port of this machine's loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
