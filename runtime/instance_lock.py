"""One running hub for each folder: whoever holds this lock is it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from runtime.installation import CannotStart

NAME = "up.lock"


class InstanceLock:
    """Held from `take` until the process ends or `release`; a killed process releases it too."""

    def __init__(self, var_dir: Path) -> None:
        self._path = var_dir / NAME
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raise CannotStart when another process holds it, naming that one."""
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(20).strip() or "unknown"
            file.close()
            raise CannotStart(
                f"Waystation runs already with {self._path.parent} (process {holder}); stop it first, "
                "or set WAYSTATION_VAR_DIR and other ports for a second one."
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let another process have it."""
        if self._file is not None:
            self._file.close()
            self._file = None
