"""The one place where strangers' bytes become a JSON object."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from domain.errors import BadMessage

MAX_BYTES = 16 * 1024
MAX_DEPTH = 8
_INT_LIMIT = 2**63

# What the quick reader cannot judge by itself: long digit runs, exponents, escapes, foreign constants.
_NEEDS_CARE = re.compile(rb"[0-9]{16}|[:,\[\s]-?[0-9][0-9.]*[eE]|\\u")
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG_NUMBER = b"0" * 16


def parse_object(payload: bytes) -> dict[str, Any]:
    """Return the JSON object in `payload`, or raise BadMessage that says what is wrong and where.

    Refused: more than 16 KiB, bad UTF-8, NUL, lone surrogates, NaN and infinities, integers beyond
    63 bits, floats that overflow, duplicate keys, more than 8 levels, anything but an object.
    """
    if len(payload) > MAX_BYTES:
        raise BadMessage("too_large", "", f"is {len(payload)} bytes long; at most {MAX_BYTES} are taken")
    if b"\x00" in payload:
        raise BadMessage("nul", "", "holds a NUL byte")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BadMessage("not_utf8", "", f"is not UTF-8 at byte {exc.start}") from exc
    if _nesting_bound(payload) > MAX_DEPTH:
        _refuse_deep(text)
    decoder = _CAREFUL if _NEEDS_CARE.search(payload) else _QUICK
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as exc:
        raise BadMessage("not_json", "", f"is not JSON: {exc.msg} at character {exc.pos}") from exc
    except RecursionError as exc:
        raise BadMessage("too_deep", "", f"is nested deeper than {MAX_DEPTH} levels") from exc
    if type(value) is not dict:
        raise BadMessage("not_an_object", "", f"is a JSON {_json_name(value)}, not an object")
    if decoder is _CAREFUL:
        _refuse_surrogates(value)
    return value


def may_hide(payload: bytes) -> bool:
    """True when a quick look cannot judge: escapes, NUL, blanks before a colon, long numbers."""
    return (
        b"\\" in payload
        or b" :" in payload
        or b"\n" in payload
        or b"\t" in payload
        or b"\r" in payload
        or b"\x00" in payload
        or _LONG_NUMBER in payload.translate(_DIGITS)
    )


def _nesting_bound(payload: bytes) -> int:
    """Depth of the brackets, quickly; brackets inside strings can only make it larger."""
    brackets = payload.translate(None, _NOT_BRACKETS)
    depth = 0
    while brackets:
        inner = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(inner) == len(brackets):
            return MAX_DEPTH + 1
        brackets, depth = inner, depth + 1
        if depth > MAX_DEPTH:
            break
    return depth


def _refuse_deep(text: str) -> None:
    depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadMessage("too_deep", "", f"is nested deeper than {MAX_DEPTH} levels")
        elif char in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadMessage("duplicate_key", key[:64], "appears twice in one object")
            seen.add(key)
    return made


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -_INT_LIMIT <= (value := int(digits)) < _INT_LIMIT:
        raise BadMessage("bad_number", "", f"the integer {digits[:24]}… does not fit into 63 bits")
    return value


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadMessage("bad_number", "", f"the number {digits[:24]} is not finite")
    return value


def _constant(name: str) -> NoReturn:
    raise BadMessage("bad_number", "", f"{name} is not JSON")


def _refuse_surrogates(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise BadMessage("nul", "", "holds an escaped NUL character")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as exc:
            raise BadMessage("not_utf8", "", "holds a lone surrogate escape") from exc
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_surrogates(inner)


def _json_name(value: object) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


_QUICK = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
