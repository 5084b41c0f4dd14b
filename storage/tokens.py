"""API tokens, and the one-time links that turn one into a browser's session; secrets are kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from domain.errors import WaystationError
from storage.tables import api_token, sign_in

SCOPES: Final = (
    "stations:read",
    "alerts:read",
    "alerts:write",
    "history:read",
    "reports:read",
    "devices:read",
    "door:open",
    "quarantine:read",
    "quarantine:write",
    "rules:read",
    "rules:write",
    "tokens:write",
)
SIGN_IN_LIFE_MS: Final = 15 * 60_000
TOUCH_EVERY_MS: Final = 60_000

_TOKEN = re.compile(r"ws_([0-9a-z]{10})_([0-9A-Za-z_-]{43})")
_AREA = re.compile(r"[0-9]{0,6}|[0-9]{6}-[0-9A-Za-z]{1,16}")
_ID_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


class BadToken(WaystationError):
    """A token cannot be made as asked."""


class TokenRow(NamedTuple):
    """A token without its secret. `area` is a prefix of division codes, a station's id, or empty for all."""

    id: str
    name: str
    scopes: frozenset[str]
    area: str
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    last_used_ms: int | None

    def usable(self, now_ms: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


def create(
    conn: Connection,
    *,
    name: str,
    scopes: Collection[str],
    area: str,
    now_ms: int,
    expires_ms: int | None = None,
) -> tuple[TokenRow, str]:
    """Make a token; the text that is returned beside its row exists nowhere else and is shown once.

    Raises BadToken for an unknown scope, an area that is no prefix, an empty name or a past expiry.
    """
    unknown = sorted(set(scopes).difference(SCOPES))
    if unknown or not scopes:
        wrong = f"There is no scope {unknown[0]}" if unknown else "A token needs at least one scope"
        raise BadToken(f"{wrong}; choose from {', '.join(SCOPES)}.")
    if not _AREA.fullmatch(area):
        raise BadToken(
            f"{area!r} is not an area: give the first digits of a division (3310) or a station id."
        )
    if not name.strip() or len(name) > 100:
        raise BadToken("A token needs a name of 1 to 100 characters that says who uses it.")
    if expires_ms is not None and expires_ms <= now_ms:
        raise BadToken("The token would have expired before it is made; give a later time.")
    id_ = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    secret = secrets.token_urlsafe(32)
    conn.execute(
        sa.insert(api_token).values(
            id=id_,
            name=name.strip(),
            hash=_hash(secret),
            scopes=json.dumps(sorted(scopes)),
            area=area,
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
    )
    row = TokenRow(id_, name.strip(), frozenset(scopes), area, now_ms, expires_ms, None, None)
    return row, f"ws_{id_}_{secret}"


def by_secret(conn: Connection, text: str, now_ms: int) -> TokenRow | None:
    """The usable token that this text belongs to; takes the same time whether its id exists or not."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    row = conn.execute(sa.select(api_token).where(api_token.c.id == match[1])).first()
    known = row.hash if row is not None else _NOBODY
    if not hmac.compare_digest(known, _hash(match[2])) or row is None:
        return None
    found = _row(row)
    return found if found.usable(now_ms) else None


def by_id(conn: Connection, id_: str) -> TokenRow | None:
    """One token, usable or not."""
    row = conn.execute(sa.select(api_token).where(api_token.c.id == id_)).first()
    return None if row is None else _row(row)


def all_tokens(conn: Connection) -> list[TokenRow]:
    """Every token that was ever made, oldest first."""
    return [
        _row(row)
        for row in conn.execute(sa.select(api_token).order_by(api_token.c.created_ms, api_token.c.id))
    ]


def revoke(conn: Connection, id_: str, now_ms: int) -> bool:
    """End a token and every session that came from it; False if there is none to end."""
    change = sa.update(api_token).where(api_token.c.id == id_, api_token.c.revoked_ms.is_(None))
    return bool(conn.execute(change.values(revoked_ms=now_ms)).rowcount)


def touch(conn: Connection, ids: Iterable[str], now_ms: int) -> None:
    """Note that these tokens are in use, to the minute."""
    stale = sa.or_(api_token.c.last_used_ms.is_(None), api_token.c.last_used_ms < now_ms - TOUCH_EVERY_MS)
    conn.execute(sa.update(api_token).where(api_token.c.id.in_(list(ids)), stale).values(last_used_ms=now_ms))


def new_sign_in(conn: Connection, token_id: str, now_ms: int, life_ms: int = SIGN_IN_LIFE_MS) -> str:
    """The secret of a link that signs a browser in once, with the rights of this token.

    Raises BadToken when the token cannot be used.
    """
    token = by_id(conn, token_id)
    if token is None or not token.usable(now_ms):
        raise BadToken(f"There is no usable token {token_id}; `./waystation token list` shows them.")
    secret = secrets.token_urlsafe(32)
    conn.execute(sa.delete(sign_in).where(sign_in.c.expires_ms < now_ms - 86_400_000))
    conn.execute(
        sa.insert(sign_in).values(hash=_hash(secret), token_id=token_id, expires_ms=now_ms + life_ms)
    )
    return secret


def use_sign_in(conn: Connection, secret: str, now_ms: int) -> TokenRow | None:
    """Use a link up, by compare-and-set; None when it is unknown, used, expired, or its token is over."""
    change = (
        sa.update(sign_in)
        .where(sign_in.c.hash == _hash(secret), sign_in.c.used_ms.is_(None), sign_in.c.expires_ms > now_ms)
        .values(used_ms=now_ms)
        .returning(sign_in.c.token_id)
    )
    token_id = conn.scalar(change)
    token = by_id(conn, token_id) if token_id is not None else None
    return token if token is not None and token.usable(now_ms) else None


def _hash(secret: str) -> str:
    # The secret has 256 random bits: there is nothing to guess that a slow hash would protect.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _row(row: Row[Any]) -> TokenRow:
    return TokenRow(
        row.id,
        row.name,
        frozenset(json.loads(row.scopes)),
        row.area,
        row.created_ms,
        row.expires_ms,
        row.revoked_ms,
        row.last_used_ms,
    )
