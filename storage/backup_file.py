"""One backup as one file: what it is of, a checksum over all of it, and a compressed body."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from domain.errors import WaystationError

_MAGIC: Final = b"waystation backup 1\n"
_HEAD_BYTES: Final = 2048
_CHUNK_BYTES: Final = 1 << 20
_QUICK: Final = 1


class BackupRefused(WaystationError):
    """A backup cannot be made or used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a backup is of. `store` is the name that stations knew the database by."""

    made_ms: int
    dialect: str
    revision: str
    store: str


class BackupWriter:
    """`body` takes what is to be kept; `label` must be set before the end."""

    def __init__(self, body: BinaryIO) -> None:
        self.body = body
        self.label: Label | None = None


class _Digesting:
    """Passes bytes on to a file and into a checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def writing(path: Path) -> Iterator[BackupWriter]:
    """Write a new file that only its owner reads; it has its name only when all of it is on disk.

    Raises BackupRefused when the name is taken, or the disk does not take it.
    """
    if path.exists():
        raise BackupRefused(
            f"{path} is there already, and a backup is never overwritten: choose another name."
        )
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                file.write(bytes(_HEAD_BYTES))
                digesting = _Digesting(file)
                with gzip.GzipFile(
                    filename="",
                    mode="wb",
                    fileobj=cast("IO[bytes]", digesting),
                    compresslevel=_QUICK,
                    mtime=0,
                ) as body:
                    writer = BackupWriter(cast(BinaryIO, body))
                    yield writer
                assert writer.label is not None
                file.seek(0)
                file.write(_head(writer.label, digesting.sha.digest()))
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            _sync_folder(path.parent)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be written: {error.strerror or error}.") from error


def read_label(path: Path) -> Label:
    """What the file says it is, without looking at the rest of it."""
    return _read_head(path)[0]


def check(path: Path) -> Label:
    """Read the whole file and return its label; BackupRefused when a single byte is not as it was written."""
    label, wanted = _read_head(path)
    sha = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(_HEAD_BYTES)
        while chunk := file.read(_CHUNK_BYTES):
            sha.update(chunk)
    if _seal(asdict(label), sha.digest()) != wanted:
        raise BackupRefused(f"{path} is damaged or cut off: its checksum does not fit. Take another backup.")
    return label


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The body, as it was before it was compressed."""
    with path.open("rb") as file:
        file.seek(_HEAD_BYTES)
        with gzip.GzipFile(mode="rb", fileobj=file) as body:
            yield cast(BinaryIO, body)


def _head(label: Label, body_digest: bytes) -> bytes:
    said = asdict(label)
    text = json.dumps({**said, "sha256": _seal(said, body_digest)}, ensure_ascii=True)
    return (_MAGIC + text.encode("ascii") + b"\n").ljust(_HEAD_BYTES, b"\n")


def _read_head(path: Path) -> tuple[Label, str]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}.") from error
    if not head.startswith(_MAGIC):
        raise BackupRefused(f"{path} is not a backup that this version of Waystation knows.")
    try:
        said = json.loads(head[len(_MAGIC) :])
        wanted = str(said.pop("sha256"))
        label = Label(int(said["made_ms"]), str(said["dialect"]), str(said["revision"]), str(said["store"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupRefused(f"{path} is damaged: its label cannot be read. Take another backup.") from None
    return label, wanted


def _seal(said: dict[str, Any], body_digest: bytes) -> str:
    text = json.dumps(said, ensure_ascii=True, sort_keys=True).encode("ascii")
    return hashlib.sha256(text + body_digest).hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
