"""What can be known of a broker from outside: whether it runs, and what it said; its files are written so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from runtime.broker_config import BrokerFiles

PROGRAM = "nats-server"


def running(files: BrokerFiles) -> int | None:
    """The process id of the broker that runs with these files, also one that nobody looks after."""
    try:
        pid = int(files.pid.read_text(encoding="ascii"))
        command = _command_of(pid)
    except (OSError, ValueError):
        return None
    return pid if PROGRAM in command and str(files.configuration) in command else None


def _command_of(pid: int) -> str:
    if Path("/proc/self").exists():  # slim images have no ps
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    asked = ["ps", "-o", "args=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, check=False, text=True).stdout


def replace(path: Path, text: str) -> None:
    """Write a file that only its owner reads, in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    fresh.replace(path)


def said_since(path: Path, position: int) -> str:
    """What a log says from a position on; from its beginning when it was changed for a new one."""
    try:
        with path.open("rb") as file:
            file.seek(position if path.stat().st_size >= position else 0)
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def last_words(files: BrokerFiles) -> str:
    """The last line that the broker wrote anywhere."""
    lines = (said_since(files.log, 0) + said_since(files.last_words, 0)).splitlines()
    return lines[-1] if lines else "it does not say why."
