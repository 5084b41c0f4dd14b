"""How fast the cores are, beside their best: on a shared machine the same work can take twice the CPU."""

from __future__ import annotations

import argparse
import statistics
import threading
import time

LOOPS = 5_000
EVERY_S = 0.05
BEST = 0.05
"""Which share of the samples counts as the best: a single one may be a fault of the clock."""


class CoreSpeed:
    """Times a short fixed loop again and again, by its CPU, in a thread of its own. Use it in a `with`."""

    def __init__(self) -> None:
        self._took_s: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="core-speed", daemon=True)

    def __enter__(self) -> CoreSpeed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def slowdown(self) -> float:
        """How many times as long as at its best the loop took in the median."""
        took_s = sorted(self._took_s)
        return statistics.median(took_s) / took_s[int(BEST * len(took_s))]

    def _run(self) -> None:
        while not self._took_s or not self._ended.wait(EVERY_S):
            began_s = time.thread_time()
            seen = {}
            for at in range(LOOPS):
                seen[at % 97] = at
            self._took_s.append(time.thread_time() - began_s)


def main() -> None:
    """Print it for a machine that has nothing else to do."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=10.0)
    options = asked.parse_args()
    with CoreSpeed() as speed:
        time.sleep(options.seconds)
    print(f"a fixed loop took {speed.slowdown:.2f} times its best, in the median of {options.seconds:.0f} s")


if __name__ == "__main__":
    main()
