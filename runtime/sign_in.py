"""The two tokens that a start keeps at hand: one for the shown curl lines, one for staff links."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection

from storage import tokens

FILE: Final = "shown-tokens.json"
AREA: Final = "33"
DEMO_SCOPES: Final = ("door:open", "stations:read")
LIFE_MS: Final = 365 * 86_400_000


def demo_token(connection: Connection, var_dir: Path, now_ms: int) -> str:
    """A token that opens doors, kept in `var_dir` (mode 600) and used again until it is over."""
    kept = _read(var_dir)
    text = kept.get("demo", "")
    if not text or tokens.by_secret(connection, text, now_ms) is None:
        _, text = tokens.create(
            connection,
            name="shown at start",
            scopes=DEMO_SCOPES,
            area=AREA,
            now_ms=now_ms,
            expires_ms=now_ms + LIFE_MS,
        )
        _write(var_dir, {**kept, "demo": text})
    return text


def staff_token(connection: Connection, var_dir: Path, now_ms: int) -> str:
    """The id of the token that stands behind staff links; its secret is thrown away at once."""
    kept = _read(var_dir)
    known = tokens.by_id(connection, kept.get("staff", ""))
    if known is not None and known.usable(now_ms):
        return known.id
    row, _ = tokens.create(
        connection,
        name="staff of this machine",
        scopes=tokens.SCOPES,
        area=AREA,
        now_ms=now_ms,
        expires_ms=now_ms + LIFE_MS,
    )
    _write(var_dir, {**kept, "staff": row.id})
    return row.id


def sign_in_link(base_url: str, secret: str) -> str:
    """Where a browser goes to be signed in."""
    return f"{base_url}/sign-in?t={quote(secret, safe='')}"


def _read(var_dir: Path) -> dict[str, str]:
    try:
        kept = json.loads((var_dir / FILE).read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in kept.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(var_dir: Path, kept: dict[str, str]) -> None:
    fresh = var_dir / f".{FILE}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(kept, file)
    fresh.replace(var_dir / FILE)
