"""A whole gateway that drains what waits at the broker, and says what that cost."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.hall import make_gateway, open_hall
from runtime.huge_pages import Folding
from storage.series_outbox import Outbox


def main(var: str, url: str, port: int, outbox: bool, expected: int, warm: int) -> None:
    """Run until `expected` messages are committed, and measure from when `warm` of them are.

    With nothing expected, only make the sessions.
    """
    hall = open_hall(Path(var), url, port)
    gateway = make_gateway(hall, Outbox() if outbox else None)
    counts = gateway.health.counts
    began_s = began_cpu_s = 0.0
    before: dict[str, int] = {}
    gateway.begin()
    deadline_s = time.perf_counter() + 180
    while time.perf_counter() < deadline_s:
        gateway.turn()
        if not before and counts["messages"] > warm:
            # As after the first minute of a gateway's process.
            Folding(step_s=0.0).fold()
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            before = dict(counts)
        if counts["messages"] >= expected if expected else gateway.health.problems() == []:
            break
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    gateway.end()
    counted = {name: count - before.get(name, 0) for name, count in counts.items()}
    told = {"messages": counted.get("messages", 0), "cpu_s": cpu_s, "wall_s": wall_s, "counts": counted}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(
        sys.argv[1],
        sys.argv[2],
        int(sys.argv[3]),
        sys.argv[4] == "outbox",
        int(sys.argv[5]),
        int(sys.argv[6]),
    )
