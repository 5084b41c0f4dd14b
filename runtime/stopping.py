"""How a process learns that it shall end: by a signal, or because whoever started it is gone."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_GRACE_S = 20.0


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP. Its handler only writes a byte: more could meet a held lock."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(self._reader, False)
        self.count = 0

        def note(_number: int, _frame: object) -> None:
            try:
                os.write(writer, b"x")
            except OSError:
                pass

        for number in SIGNALS:
            signal.signal(number, note)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a signal, at most so long; True when there ever was one."""
        if not self.count or timeout_s is None:
            select.select([self._reader], [], [], timeout_s)
        self.look()
        return self.count > 0

    def look(self) -> int:
        """How many signals came so far."""
        try:
            self.count += len(os.read(self._reader, 100))
        except BlockingIOError:
            pass
        return self.count


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` once, in a thread of its own, for the first of SIGINT, SIGTERM and SIGHUP."""
    signals = StopSignals()

    def watch() -> None:
        signals.wait()
        stop()

    threading.Thread(target=watch, name="signal-watch", daemon=True).start()


def end_with_parent() -> None:
    """Send SIGTERM to this process when its standard input ends, and end it by force 20 s later.

    The other end of that pipe is held by the process that started this one, so it also closes when that
    one is killed without a chance to tidy up.
    """
    threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    descriptor = sys.stdin.fileno()
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_GRACE_S)
    os._exit(1)
