"""A browser's session: a signed cookie that names a token and ends with it."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signing.keys import KeyRing

AUDIENCE: Final = "waystation-pages"
TYPE: Final = "ws-session+jwt"
LONGEST_S: Final = 7 * 24 * 3600
MAX_CHARS: Final = 2048


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, until when (epoch seconds), and the word that forms must carry."""

    token_id: str
    csrf: str
    expires_s: int


class SessionKeys:
    """Makes cookies with the ring's active key and reads those of any key on the ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._kid = ring.active.kid.hex()
        self._private = Ed25519PrivateKey.from_private_bytes(ring.active.seed)
        self._public = {
            kid.hex(): Ed25519PublicKey.from_public_bytes(key.public)
            for kid, key in ring.verify_keys().items()
        }

    def make(self, token_id: str, now_s: int, life_s: int) -> str:
        """The cookie's text."""
        claims = {
            "sub": token_id,
            "aud": AUDIENCE,
            "iat": now_s,
            "exp": now_s + min(life_s, LONGEST_S),
            "csrf": secrets.token_urlsafe(18),
        }
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"typ": TYPE, "kid": self._kid})

    def read(self, text: str, now_s: int) -> Session | None:
        """The session, or None for anything that is not one of ours, whole, and valid now."""
        if len(text) > MAX_CHARS:
            return None
        try:
            header = jwt.get_unverified_header(text)
            key = self._public.get(str(header.get("kid")))
            if key is None or header.get("typ") != TYPE:
                return None
            # The library would read the machine's clock; ours is handed in, so times are checked below.
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "aud", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        issued_s, expires_s, sub, csrf = (claims.get(name) for name in ("iat", "exp", "sub", "csrf"))
        if type(issued_s) is not int or type(expires_s) is not int:
            return None
        if not isinstance(sub, str) or not isinstance(csrf, str) or not csrf:
            return None
        if not issued_s - 60 <= now_s < expires_s or expires_s - issued_s > LONGEST_S:
            return None
        return Session(sub, csrf, expires_s)


def same_word(one: str, other: str) -> bool:
    """Compares without telling by its duration how much was right."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
