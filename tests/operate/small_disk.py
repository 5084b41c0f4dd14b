"""A disk of a few megabytes that a test can fill to the last byte, and empty again."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CHUNK_BYTES = 65_536


class SmallDisk:
    """A tmpfs of its own at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave no byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (_CHUNK_BYTES, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        """Everything but what was put there by others is free again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Mount one; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    # Not among the test's own files: PostgreSQL does not run as root, and those are for root only.
    path = Path(tempfile.mkdtemp(prefix="disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "waystation-test", path],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        path.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that ends slowly must not leave a mount behind.
        subprocess.run(["umount", "--lazy", path], check=True)
        path.rmdir()
