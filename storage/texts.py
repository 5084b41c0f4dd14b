"""Strangers' text and JSON in a form that both databases keep, whatever it holds."""

from __future__ import annotations

import json
import math
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


def storable(text: str, *, at_most: int | None = None) -> str:
    r"""The text, cut to `at_most` characters, with NUL and lone surrogates as `\x00` and `\ud800`."""
    if at_most is not None:
        text = text[:at_most]
    if "\x00" in text:
        text = text.replace("\x00", r"\x00")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def json_text(value: Any) -> str:
    """JSON in plain ASCII, so that any character can be kept; numbers that are not finite become text."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
