"""One gzip stream for each reader, made of pieces that are packed once for all of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LEVEL: Final = 5
_END: Final = b"\x03\x00"
_RAW: Final = -15


class Piece:
    """Bytes on their way to many; packed at most once, and then for all."""

    __slots__ = ("_packed", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._packed: bytes | None = None

    def packed(self) -> bytes:
        """Deflated blocks that refer to nothing outside and end on a whole byte: any row of them is valid."""
        if self._packed is None:
            packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW)
            self._packed = packer.compress(self.plain) + packer.flush(zlib.Z_SYNC_FLUSH)
        return self._packed


class Plain:
    """Pieces as they are."""

    def add(self, pieces: Iterable[Piece]) -> bytes:
        """What goes out for these pieces."""
        return b"".join([piece.plain for piece in pieces])

    def end(self) -> bytes:
        """What goes out last."""
        return b""


class Gzip:
    """The pieces of one reader as gzip; what a reader was sent is summed up for it alone."""

    def __init__(self) -> None:
        self._sum = 0
        self._size = 0
        self._head = HEAD

    def add(self, pieces: Iterable[Piece]) -> bytes:
        """What goes out for these pieces."""
        out = [self._head]
        self._head = b""
        for piece in pieces:
            self._sum = zlib.crc32(piece.plain, self._sum)
            self._size += len(piece.plain)
            out.append(piece.packed())
        return b"".join(out)

    def end(self) -> bytes:
        """What goes out last."""
        size = self._size & 0xFFFFFFFF
        return self._head + _END + self._sum.to_bytes(4, "little") + size.to_bytes(4, "little")


def takes_gzip(accepted: str) -> bool:
    """True when an Accept-Encoding header allows gzip."""
    for one in accepted.split(","):
        name, _, rest = one.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return rest.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
