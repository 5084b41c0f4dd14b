"""Where a page of a list ended, as an opaque word that only fits the list and filter it came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from api.problems import bad_field

MAX_CHARS = 400


def make(filters: object, *last: str | int) -> str:
    """The word for 'after this row'; `filters` is whatever JSON-able value must stay the same."""
    body = json.dumps([_mark(filters), *last], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read(cursor: str | None, filters: object, *types: type[str] | type[int]) -> tuple[str | int, ...] | None:
    """What `make` was given, or None without a cursor; a Problem at `query.cursor` for anything else."""
    if cursor is None:
        return None
    wrong = bad_field("query.cursor", "is not a cursor of this list with these filters; begin without one")
    if len(cursor) > MAX_CHARS or not cursor.isascii():
        raise wrong
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        body = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if type(body) is not list or len(body) != len(types) + 1 or body[0] != _mark(filters):
        raise wrong
    last = body[1:]
    for value, wanted in zip(last, types, strict=True):
        if type(value) is not wanted or (type(value) is int and not -(2**63) <= value < 2**63):
            raise wrong
        if isinstance(value, str) and any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value):
            raise wrong
    return tuple(last)


def _mark(filters: object) -> str:
    return hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:8]
