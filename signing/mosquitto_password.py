"""A line of Mosquitto's password file, as `mosquitto_passwd` writes it."""

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 101
"""Mosquitto's own number; enough, since what is hashed holds far more than 128 random bits."""
SALT_BYTES = 12


def password_line(username: str, password: str, salt_key: bytes) -> str:
    """`username:$7$101$salt$hash` (PBKDF2 with SHA-512), without a line end.

    The salt comes from `salt_key` and the two, so that the same file is made again from the same passwords.
    """
    said = f"mosquitto|{username}|{password}".encode()
    salt = hmac.new(salt_key, said, hashlib.sha256).digest()[:SALT_BYTES]
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"{username}:$7${ITERATIONS}${_text(salt)}${_text(derived)}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
