"""Files that others replace while a process runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class WatchedFiles:
    """Tells of a change once it is whole: when two looks in turn find the same."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._known = self._seen = self._state()

    def changed(self) -> bool:
        """True once after each change; to be asked about twice a second."""
        before, self._seen = self._seen, self._state()
        if self._seen == self._known or self._seen != before:
            return False
        self._known = self._seen
        return True

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state(file) for file in self._files)


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
