"""The gateway, or another part of the hub, as a process of its own, for tests that kill and replace it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.gateway.house import House
from tests.waiting import eventually

TREE = Path(__file__).resolve().parents[2]
NOBODY_LISTENS = "http://127.0.0.1:9"


class GatewayProcess:
    """`start`, then any of `kill`, `freeze`, `wake`, `stop`; its log is kept over all starts."""

    def __init__(self, house: House, name: str = "gateway", command: str = "gateway") -> None:
        self._house = house
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = house.var / f"{name}.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it; it ends by itself when this process ends."""
        house = self._house
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WAYSTATION_")},
            "PYTHONPATH": str(TREE),
            "WAYSTATION_VAR_DIR": str(house.var),
            "WAYSTATION_DATABASE_URL": house.url,
            **house.place.settings,
            **house.settings,
            "WAYSTATION_WEBHOOK_URL": NOBODY_LISTENS,
            "WAYSTATION_WEBHOOK_SECRET": "for tests only",
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "runtime", self._command, "--watched"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=house.var,
                env=environment,
            )

    def hears(self) -> bool:
        """True when this process beats in the database and has caught up on both lanes."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the gateway has ended:\n{self.log[-3000:]}")
        return bool(
            self._house.rows(
                "SELECT 1 FROM worker WHERE pid=:pid"
                " AND quick_since_ms IS NOT NULL AND bulk_since_ms IS NOT NULL",
                pid=self.pid,
            )
        )

    def wait_until_it_hears(self, timeout_s: float = 30.0) -> None:
        eventually(self.hears, timeout_s, saying="the gateway hears the broker")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self.exit_code()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def exit_code(self, timeout_s: float = 10.0) -> int:
        """Wait until it has ended."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        code = process.wait(timeout_s)
        process.stdin.close()
        return code
