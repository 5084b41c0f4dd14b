"""Content that was read before is not read again: most messages differ from earlier ones only around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from domain.facts import Value

MAX_KNOWN: Final = 2048
MAX_BYTES: Final = 256

Found = tuple[int, bytes, int, int, Mapping[str, Value]]
"""ts, boot, seq, low and fields."""

_ENVELOPE: Final = re.compile(
    rb'\{"v":1,"ts":([1-9][0-9]{11,14}),"boot":"([0-9A-Za-z_-]{1,32})",'
    rb'"seq":(0|[1-9][0-9]{0,14}),"low":(0|[1-9][0-9]{0,14}),'
)


class SaidBefore:
    """Fields of one kind by the bytes that follow the envelope, as the contract orders it.

    Only content that was read in full once, and without a doubt, is remembered; what is found here may
    be shared by many devices and must not be altered.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Mapping[str, Value]] = {}

    def find(self, payload: bytes) -> Found | None:
        """ts, boot, seq, low and fields; None when the message must be read in full."""
        envelope = _ENVELOPE.match(payload)
        if envelope is None:
            return None
        fields = self._known.get(payload[envelope.end() :])
        if fields is None:
            return None
        ts, boot, seq, low = envelope.groups()
        return int(ts), boot, int(seq), int(low), fields

    def remember(self, payload: bytes, fields: Mapping[str, Value]) -> None:
        """Note what was read from a message that holds nothing else."""
        envelope = _ENVELOPE.match(payload)
        if envelope is None or len(payload) - envelope.end() > MAX_BYTES:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[payload[envelope.end() :]] = fields
