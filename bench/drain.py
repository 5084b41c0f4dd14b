"""A whole gateway that drains what waits at the broker, and says what that cost."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.hall import make_gateway, open_hall
from storage.series_outbox import Outbox


def main(var: str, url: str, port: int, expected: int, outbox: bool) -> None:
    """Run until `expected` messages are committed; with 0, only make the sessions."""
    hall = open_hall(Path(var), url, port)
    gateway = make_gateway(hall, Outbox() if outbox else None)
    health = gateway.health
    began_s = began_cpu_s = 0.0
    first = 0
    gateway.begin()
    deadline_s = time.perf_counter() + 180
    while time.perf_counter() < deadline_s:
        before = health.counts["messages"]
        gateway.turn()
        if not before and health.counts["messages"]:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            first = health.counts["messages"]
        if not expected and gateway.health.problems() == []:
            break
        if expected and health.counts["messages"] >= expected:
            break
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    gateway.end()
    counts = dict(health.counts)
    print(
        json.dumps(
            {
                "messages": counts.get("messages", 0) - (first if expected else 0),
                "cpu_s": cpu_s,
                "wall_s": wall_s,
                "counts": counts,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[5]), sys.argv[4] == "outbox")
