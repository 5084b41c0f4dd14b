"""Files that hold keys: only their owner may read them, and each is replaced in one step."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain.errors import WaystationError
from signing.keys import BadKey, KeyRing, SigningKey

ELSEWHERE = "elsewhere"
"""Names, one a line, the files that are not here because another part of the hub has them."""
_OTHERS = 0o077


class BadSecrets(WaystationError):
    """The key files are missing, damaged, or can be read by others."""


def write(path: Path, text: str) -> None:
    """Replace a file in one step, mode 600, on disk before it counts."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change a file in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_open_to_others(path: Path, mode: str) -> None:
    """Raise BadSecrets unless the file or folder is our own and closed; `mode` is what closes it."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise BadSecrets(f"{path} belongs to another user of this machine; secrets must be your own.")
    if found.st_mode & _OTHERS:
        found_mode = f"{stat.S_IMODE(found.st_mode):o}"
        raise BadSecrets(f"{path} is open to others (mode {found_mode}); close it with: chmod {mode} {path}")


def read(path: Path) -> str:
    """The text of a file; BadSecrets, which says what to do, when it is not there or not ours alone."""
    try:
        refuse_open_to_others(path, "600")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.name in elsewhere(path.parent):
            raise BadSecrets(
                f"The key {path.name} is not here but with another part of this hub: "
                "say this where that part runs."
            ) from None
        raise BadSecrets(
            f"{path} is missing; bring it back from a backup, or move {path.parent} away to start with new "
            "keys, after which every station needs a new credential."
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise BadSecrets(f"{path} cannot be read: {exc}.") from exc


def elsewhere(folder: Path) -> frozenset[str]:
    """The names of files that another part of the hub has."""
    try:
        return frozenset((folder / ELSEWHERE).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError):
        raise damaged(folder / ELSEWHERE) from None


def damaged(path: Path) -> BadSecrets:
    """What to raise for a file that holds something else."""
    return BadSecrets(f"{path} is damaged; bring it back from a backup.")


def raw(path: Path) -> bytes:
    """32 bytes."""
    try:
        raw = base64.b64decode(read(path).strip(), validate=True)
    except ValueError:
        raise damaged(path) from None
    if len(raw) != 32:
        raise damaged(path)
    return raw


def key(path: Path) -> SigningKey:
    """A signing key."""
    return SigningKey(raw(path))


def ring(path: Path) -> KeyRing:
    """A ring of signing keys."""
    try:
        return KeyRing.from_json(read(path))
    except BadKey as exc:
        raise damaged(path) from exc


def parsed(path: Path) -> Any:
    """What a file says in JSON."""
    try:
        return json.loads(read(path))
    except ValueError:
        raise damaged(path) from None


def encoded(raw: bytes) -> str:
    """Bytes, as `raw` reads them."""
    return base64.b64encode(raw).decode("ascii")
