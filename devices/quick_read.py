"""The short way from bytes to a message or a part of it, for bytes of which nothing needs a second look."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from devices.message import Message, Part
from domain.json_input import MAX_BYTES, may_hide

M = TypeVar("M", bound=Message)
P = TypeVar("P", bound=Part)


def quick_read(model: type[M], payload: bytes, part_field: str | None = None) -> M | None:
    """The message, or None when the careful way must look: it then says what is wrong, or reads the same.

    Bytes without escapes and without a blank before a colon hold `":` once for each key, so a key that
    is there twice shows as a difference in number.
    """
    if len(payload) > MAX_BYTES or may_hide(payload):
        return None
    try:
        message = model.__pydantic_validator__.validate_json(payload)
    except ValidationError:
        return None
    ts, low = message.ts, message.low
    if (ts is not None and not 10**11 <= ts < 10**15) or (low is not None and low > message.seq):
        return None
    extra: dict[str, Any] | None = message.__pydantic_extra__
    if extra:
        return None
    keys = len(message.__pydantic_fields_set__)
    if part_field is not None:
        for part in message.__dict__[part_field] or ():
            if part.__pydantic_extra__:
                return None
            keys += len(part.__pydantic_fields_set__)
    if keys != payload.count(b'":'):
        return None
    return message  # type: ignore[no-any-return]


def quick_part(model: type[P], part: bytes) -> P | None:
    """One part of a message in which nothing hides, or None, likewise."""
    try:
        read = model.__pydantic_validator__.validate_json(part)
    except ValidationError:
        return None
    if read.__pydantic_extra__ or len(read.__pydantic_fields_set__) != part.count(b'":'):
        return None
    return read  # type: ignore[no-any-return]
