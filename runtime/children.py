"""Child processes that are started, watched, started again when they die, and ended in order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from domain.clock import Clock
from runtime.settings import TREE

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What to run; an exit code of `never_again` is its last, and the sentence beside it is said."""

    name: str
    arguments: Sequence[str]
    grace_s: float = 4.0
    never_again: tuple[tuple[int, str], ...] = ()


class Child:
    """One process in a session of its own, so that a Ctrl-C in the terminal reaches only its parent.

    It holds the reading end of a pipe as its standard input, and ends when that closes.
    """

    def __init__(self, plan: ChildPlan, clock: Clock) -> None:
        self.plan = plan
        self.left_alone = False
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._again_s: float | None = None
        self._pause_s = FIRST_PAUSE_S

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, or before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it."""
        path = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{TREE}:{path}" if path else str(TREE)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runtime", *self.plan.arguments],
            stdin=subprocess.PIPE,
            cwd=TREE,
            env=environment,
            start_new_session=True,
        )
        self._started_s, self._again_s = self._clock.monotonic_s(), None

    def look(self) -> None:
        """Start it again when it has died and its pause is over; call this often."""
        code, now_s = self.exit_code, self._clock.monotonic_s()
        if self._process is None or code is None or self.left_alone:
            return
        if self._again_s is None:
            self._note_death(code, now_s)
        elif now_s >= self._again_s:
            self.start()

    def end(self) -> None:
        """Ask it to end, without waiting."""
        if self.pid is not None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a stopped process would not hear the other one

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, at most so long; True when it has."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._close_pipe()
        return True

    def kill(self) -> None:
        """End it by force, with whatever it started in its session."""
        if self._process is not None and self.pid is not None:
            logger.warning(
                "The %s does not end; ending it by force", self.plan.name, extra={"action": "child_killed"}
            )
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
        self._close_pipe()

    def _note_death(self, code: int, now_s: float) -> None:
        self._close_pipe()
        said = dict(self.plan.never_again).get(code)
        if said is not None:
            self.left_alone = True
            logger.error("%s", said, extra={"action": "child_left_alone"})
            return
        if now_s - self._started_s >= STEADY_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        logger.warning(
            "The %s %s; starting it again in %g s",
            self.plan.name,
            how,
            self._pause_s,
            extra={"action": "child_died", "code": code},
        )
        self._again_s = now_s + self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass
