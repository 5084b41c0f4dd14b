"""What people read about an alert: the rule's text with its places filled in, in Chinese and in English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from domain.facts import Value

_PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
_SHANGHAI = ZoneInfo("Asia/Shanghai")
LATE_MS = 5 * 60_000
"""From this much on, a text says when it happened and when the hub learned of it."""


def placeholders(text: str) -> list[str]:
    """The names in braces."""
    return _PLACE.findall(text)


def fill(text: str, values: Mapping[str, Value], unknown: str) -> str:
    """The text with its places filled; what is not known is said to be unknown."""
    return _PLACE.sub(lambda found: _said(values.get(found[1]), unknown), text)


def _said(value: Value, unknown: str) -> str:
    if value is None:
        return unknown
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)


def in_both(
    zh: str,
    en: str,
    values: Mapping[str, Value],
    *,
    stations: tuple[str, str],
    devices: tuple[str, str],
    happened_ms: int,
    learned_ms: int,
) -> tuple[str, str]:
    """Both texts. `stations` and `devices` are the names in Chinese and in English."""
    zh = fill(zh, {**values, "station": stations[0], "device": devices[0]}, "未知")
    en = fill(en, {**values, "station": stations[1], "device": devices[1]}, "unknown")
    if learned_ms - happened_ms >= LATE_MS:
        happened, learned = _clock(happened_ms), _clock(learned_ms)
        zh += f"（{happened} 发生，{learned} 才得知）"
        en += f" (Happened at {happened}, learned at {learned}.)"
    return zh, en


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI).strftime("%H:%M")
