"""Ed25519 keys with short names, and the ring that says which one signs and which ones still count."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from domain.errors import WaystationError

KID_BYTES = 8
SEED_BYTES = 32


class BadKey(WaystationError):
    """A key or a key ring cannot be read."""


def key_id(public: bytes) -> bytes:
    """The 8-byte name of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(public).digest()[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key of 32 raw bytes; `kid` follows from it and cannot be chosen."""

    public: bytes
    kid: bytes = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.public) != 32:
            raise BadKey(f"An Ed25519 public key has 32 bytes, not {len(self.public)}.")
        object.__setattr__(self, "kid", key_id(self.public))
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """True when this key made `signature` over `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> str:
        """The key as a PEM text, the form that most device tool chains read."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @classmethod
    def from_pem(cls, text: str) -> VerifyKey:
        """Read a PEM text; raise BadKey when it holds anything but one Ed25519 public key."""
        try:
            key = load_pem_public_key(text.encode("ascii"))
        except ValueError as exc:
            raise BadKey("The text is not a public key in PEM form.") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise BadKey("The PEM text holds a public key that is not Ed25519.")
        return cls(key.public_bytes_raw())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of 32 random bytes; it never shows itself in a log."""

    seed: bytes = field(repr=False)
    verify_key: VerifyKey = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise BadKey(f"An Ed25519 private key has {SEED_BYTES} bytes, not {len(self.seed)}.")
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verify_key", VerifyKey(key.public_key().public_bytes_raw()))

    @property
    def kid(self) -> bytes:
        """The name of the key, 8 bytes."""
        return self.verify_key.kid

    def sign(self, message: bytes) -> bytes:
        """64 bytes of signature over `message`."""
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One key signs; the announced next one and the retired ones are known to verifiers as well.

    Rotation takes three steps, so that no device meets a key it has not been told of: `announce` a key,
    wait until every device has the new verification set, `rotate`, and later `forget` the old one.
    """

    active: SigningKey
    announced: SigningKey | None = None
    retired: tuple[VerifyKey, ...] = ()

    def verify_keys(self) -> dict[bytes, VerifyKey]:
        """All keys whose signatures count, by kid."""
        keys = [self.active.verify_key, *self.retired]
        if self.announced is not None:
            keys.append(self.announced.verify_key)
        return {key.kid: key for key in keys}

    def announce(self, key: SigningKey) -> KeyRing:
        """Make `key` known to verifiers; it does not sign yet."""
        if key.kid in self.verify_keys():
            raise BadKey(f"The key {key.kid.hex()} is already on the ring.")
        return replace(self, announced=key)

    def rotate(self) -> KeyRing:
        """Let the announced key sign from now on; the one before it only verifies."""
        if self.announced is None:
            raise BadKey("No key has been announced, so there is none to rotate to.")
        return KeyRing(self.announced, None, (*self.retired, self.active.verify_key))

    def forget(self, kid: bytes) -> KeyRing:
        """Drop a retired key; raise BadKey when `kid` is not a retired one."""
        kept = tuple(key for key in self.retired if key.kid != kid)
        if len(kept) == len(self.retired):
            raise BadKey(f"The key {kid.hex()} is not a retired key of this ring.")
        return replace(self, retired=kept)

    def to_json(self) -> str:
        """The ring as JSON text, private keys included: keep it in a file that only its owner reads."""
        ring: dict[str, Any] = {"v": 1, "active": _text(self.active.seed)}
        if self.announced is not None:
            ring["announced"] = _text(self.announced.seed)
        ring["retired"] = [_text(key.public) for key in self.retired]
        return json.dumps(ring, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> KeyRing:
        """Read what `to_json` wrote; raise BadKey with a sentence that shows no key."""
        try:
            ring = json.loads(text)
            if ring["v"] != 1:
                raise BadKey("The key ring was written by a later version.")
            announced = ring.get("announced")
            return cls(
                SigningKey(_bytes(ring["active"])),
                None if announced is None else SigningKey(_bytes(announced)),
                tuple(VerifyKey(_bytes(public)) for public in ring["retired"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise BadKey("The text is not a key ring as Waystation writes it.") from None


def verify_keys_to_text(keys: Mapping[bytes, VerifyKey]) -> str:
    """A verification set as PEM texts, one after the other, each under a line with its kid."""
    return "".join(f"# kid {kid.hex()}\n{keys[kid].to_pem()}" for kid in sorted(keys))


def verify_keys_from_text(text: str) -> dict[bytes, VerifyKey]:
    """Read PEM texts one after the other; raise BadKey when there is none or one cannot be read."""
    end = "-----END PUBLIC KEY-----"
    blocks = [block + end for block in text.split(end)[:-1]]
    if not blocks:
        raise BadKey("There is no public key in PEM form here.")
    keys = [VerifyKey.from_pem(block[block.find("-----BEGIN") :]) for block in blocks]
    return {key.kid: key for key in keys}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
