"""Content that was read before is not read again: most messages differ from earlier ones only around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from domain.facts import Value

T = TypeVar("T")

MAX_KNOWN: Final = 2048
MAX_BYTES: Final = 256
MAX_KNOWN_PARTS: Final = 8192
MAX_PART_BYTES: Final = 64
"""Whoever tells more of a part names a battery, which seldom comes again."""

Found = tuple[int, bytes, int, int, T]
"""ts, boot, seq, low and what was made of the content."""
FoundFields = Found[Mapping[str, Value]]

_ENVELOPE: Final = re.compile(
    rb'\{"v":1,"ts":([1-9][0-9]{11,14}),"boot":"([0-9A-Za-z_-]{1,32})",'
    rb'"seq":(0|[1-9][0-9]{0,14}),"low":(0|[1-9][0-9]{0,14}),'
)


class SaidBefore(Generic[T]):
    """What was made of content of one kind, by the bytes that follow the envelope, as the contract orders it,
    and of parts, by the bytes that follow their number.

    Only content that was read in full once, and without a doubt, is remembered; what is found here may
    be shared by many devices and must not be altered.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, T] = {}
        self._parts: dict[bytes, T] = {}
        self._numbers: dict[bytes, int] = {}

    def find(self, payload: bytes) -> Found[T] | None:
        """What is known of a message; None when it must be read in full."""
        envelope = _ENVELOPE.match(payload)
        if envelope is None:
            return None
        content = self._known.get(payload[envelope.end() :])
        if content is None:
            return None
        ts, boot, seq, low = envelope.groups()
        return int(ts), boot, int(seq), int(low), content

    def remember(self, payload: bytes, content: T) -> None:
        """Note what was made of a message that holds nothing else."""
        envelope = _ENVELOPE.match(payload)
        if envelope is None or len(payload) - envelope.end() > MAX_BYTES:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[payload[envelope.end() :]] = content

    def find_part(self, piece: bytes) -> tuple[int, T] | None:
        """Number and content of a part; None when it must be read."""
        digits, _, said = piece.partition(b",")
        number, content = self._numbers.get(digits), self._parts.get(said)
        return None if number is None or content is None else (number, content)

    def remember_part(self, piece: bytes, number: int, content: T) -> None:
        """Note what was made of a part that holds nothing else."""
        digits, _, said = piece.partition(b",")
        # `7` says nothing, and `7,` would look like it.
        if said and len(said) <= MAX_PART_BYTES and digits == b"%d" % number:
            if len(self._parts) >= MAX_KNOWN_PARTS:
                self._parts.clear()
            self._numbers[digits], self._parts[said] = number, content
