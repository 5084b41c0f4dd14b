"""A message that ends with its parts, taken apart: what is left without them, and each of them by itself."""

from __future__ import annotations

from typing import Final

_FIRST: Final = b'{"n":'
_BETWEEN: Final = b'},{"n":'
_END: Final = b"}]}"


def pieces_of(payload: bytes, part_key: bytes) -> tuple[bytes, list[bytes]] | None:
    """The message without its parts, and the parts, each from its number on, without the last bracket.

    `part_key` is `"slots":`. None where the message does not end with parts as the contract writes them.
    Whoever finds that the message and each `whole` part is an object of its own knows that all of it was
    the message with a list of these.
    """
    if not payload.endswith(_END):
        return None
    own, found, parts = payload.partition(b",%b[%b" % (part_key, _FIRST))
    if not found or part_key in own:
        return None
    return own + b"}", parts[: -len(_END)].split(_BETWEEN)


def whole(piece: bytes) -> bytes:
    """The part as an object."""
    return _FIRST + piece + b"}"
