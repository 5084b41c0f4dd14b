"""What every message carries around its content: version, time, boot, sequence, oldest still held."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.errors import BadMessage

VERSION = 1
FIELDS = frozenset({"v", "ts", "boot", "seq", "low"})
_BOOT = re.compile(r"[0-9A-Za-z_-]{1,32}")


class Envelope(NamedTuple):
    """`ts_ms` is None for a device without a clock; `low` is None for one that keeps nothing."""

    ts_ms: int | None
    boot: str
    seq: int
    low: int | None


def read_envelope(body: Mapping[str, Any]) -> Envelope:
    """Read the envelope of a parsed message; raise BadMessage naming the field."""
    boot = read_boot(body)
    seq = body.get("seq")
    if type(seq) is not int or seq < 0:
        raise BadMessage(
            "bad_envelope", "seq", _expected("a number from 0 that rises by one", seq), boot=boot
        )
    if body.get("v") != VERSION or body["v"] is True:
        raise BadMessage("bad_envelope", "v", _expected("1", body.get("v")), boot=boot, seq=seq)
    low = body.get("low")
    if low is not None and (type(low) is not int or low < 0 or low > seq):
        raise BadMessage("bad_envelope", "low", _expected("a number up to seq", low), boot=boot, seq=seq)
    return Envelope(_read_ts(body.get("ts"), boot, seq), boot, seq, low)


def read_boot(body: Mapping[str, Any]) -> str:
    """The random word that names one run of the speaker."""
    boot = body.get("boot")
    if type(boot) is not str or not _BOOT.fullmatch(boot):
        raise BadMessage("bad_envelope", "boot", _expected("1 to 32 letters, digits, - or _", boot))
    return boot


def _read_ts(ts: Any, boot: str, seq: int) -> int | None:
    if ts is None:
        return None
    if type(ts) is not int or ts < 0 or ts >= 10**15:
        wanted = "milliseconds since 1970 as a whole number, or null"
        raise BadMessage("bad_envelope", "ts", _expected(wanted, ts), boot=boot, seq=seq)
    if 10**9 <= ts < 10**11:
        raise BadMessage("seconds", "ts", f"{ts} looks like seconds; send milliseconds", boot=boot, seq=seq)
    return ts


def read_link_ts(body: Mapping[str, Any]) -> int | None:
    """The time of a link message, which has no sequence."""
    return _read_ts(body.get("ts"), "", 0)


def _expected(wanted: str, got: Any) -> str:
    return f"expected {wanted}, got {'nothing' if got is None else repr(got)[:60]}"
