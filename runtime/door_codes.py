"""The code in a door's public address: nothing in it can be guessed or counted on."""

from __future__ import annotations

import secrets

# No letters that look like digits, so that a code can be read out on the telephone.
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
LENGTH = 14


def new_door_code() -> str:
    """14 letters and digits, 69 random bits."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
