"""COSE_Sign1 with Ed25519, in the one shape that Waystation writes and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cbor2

from domain.errors import WaystationError
from signing.keys import KID_BYTES, SigningKey, VerifyKey

MAX_BYTES = 512
SIGNATURE_BYTES = 64

# Tag 18, an array of four, a byte string of 13: the map {1: -8 (EdDSA), 4: kid of 8 bytes}.
_HEAD = bytes.fromhex("d2844d") + bytes.fromhex("a201270448")
_FIXED = len(_HEAD) + KID_BYTES + 1 + 2 + SIGNATURE_BYTES


class Refused(WaystationError):
    """Signed bytes are not accepted; `reason` is malformed, unknown_key or bad_signature."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Verified(NamedTuple):
    """The payload of a message whose signature is right, and who signed it."""

    kid: bytes
    payload: bytes


def sign(key: SigningKey, payload: bytes, domain: bytes) -> bytes:
    """Return the tagged COSE_Sign1 message over `payload`.

    `domain` is the external_aad: what was signed for one purpose is never valid for another.
    """
    message = _encode(key.kid, payload, key.sign(_to_be_signed(key.kid, payload, domain)))
    if len(message) > MAX_BYTES:
        raise ValueError(f"the signed message would have {len(message)} bytes; at most {MAX_BYTES} are taken")
    return message


def verify(message: bytes, keys: Mapping[bytes, VerifyKey], domain: bytes) -> Verified:
    """Return the payload of `message`, or raise Refused.

    Only the one canonical encoding is read: the parts are cut out at their fixed places and the whole is
    written again and compared, so no decoder meets a stranger's bytes before the signature is right.
    """
    kid, payload, signature = _take_apart(message)
    key = keys.get(kid)
    if key is None:
        raise Refused("unknown_key", f"The key {kid.hex()} is not known for this use.")
    if not key.verifies(signature, _to_be_signed(kid, payload, domain)):
        raise Refused("bad_signature", "The signature is not right.")
    return Verified(kid, payload)


def _take_apart(message: bytes) -> tuple[bytes, bytes, bytes]:
    if len(message) > MAX_BYTES:
        raise Refused("malformed", f"A signed message has at most {MAX_BYTES} bytes, not {len(message)}.")
    kid = message[len(_HEAD) : len(_HEAD) + KID_BYTES]
    signature = message[-SIGNATURE_BYTES:]
    for head_bytes in (1, 2, 3):  # a byte string's length takes one to three bytes at this size
        size = len(message) - _FIXED - head_bytes
        if size < 0:
            break
        start = len(_HEAD) + KID_BYTES + 1 + head_bytes
        payload = message[start : start + size]
        if _encode(kid, payload, signature) == message:
            return kid, payload, signature
    raise Refused("malformed", "The bytes are not a COSE_Sign1 message in the expected form.")


def _encode(kid: bytes, payload: bytes, signature: bytes) -> bytes:
    return _HEAD + kid + b"\xa0" + cbor2.dumps(payload) + cbor2.dumps(signature)


def _to_be_signed(kid: bytes, payload: bytes, domain: bytes) -> bytes:
    return cbor2.dumps(["Signature1", _HEAD[3:] + kid, domain, payload], canonical=True)
