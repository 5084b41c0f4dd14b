"""The hub's `ack`, read: which numbers it promises to have kept, in which store, over which connection."""

from __future__ import annotations

from typing import NamedTuple

from domain.errors import BadMessage
from domain.json_input import parse_object


class Promise(NamedTuple):
    """Kept are all numbers up to `upto` and those in `also` (inclusive ranges)."""

    boot: object
    upto: int
    also: list[tuple[int, int]]
    conn: object
    store: str | None


def read_promise(payload: bytes) -> Promise:
    """Read an ack; raise BadMessage when it makes no sense."""
    body = parse_object(payload)
    upto, also, store = body.get("upto", -1), body.get("also", []), body.get("store")
    if not isinstance(store, str):
        store = None
    if type(upto) is not int or type(also) is not list:
        raise BadMessage("bad_payload", "upto", "an ack needs a number in upto and a list in also")
    ranges = []
    for one in also:
        if type(one) is not list or len(one) != 2 or not all(type(edge) is int for edge in one):
            raise BadMessage("bad_payload", "also", f"expected pairs of numbers, got {str(one)[:60]}")
        ranges.append((one[0], one[1]))
    return Promise(
        body.get("boot"), upto, ranges, body.get("conn"), store if isinstance(store, str) else None
    )
