"""Credentials for the broker: JWTs that say who may publish and subscribe what (NATS operator mode)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from domain import topics
from domain.errors import WaystationError
from domain.ids import is_adcode, is_station_id
from signing.command import from_base64url, to_base64url
from signing.keys import SigningKey, VerifyKey

Role = Literal["gateway", "api", "courier"]

_PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_UNLIMITED = -1
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


class BadCredential(WaystationError):
    """A broker credential cannot be made or read."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """NATS subjects that a holder may publish and subscribe; everything else is refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def nkey(kind: Literal["operator", "account", "user"], key: VerifyKey) -> str:
    """The NATS name of a public key: O…, A… or U…, 56 characters."""
    body = bytes([_PREFIXES[kind]]) + key.public
    return _base32(body + binascii.crc_hqx(body, 0).to_bytes(2, "little"))


def subject(topic: str) -> str:
    """The NATS subject of an MQTT topic or filter that holds no dot and does not end in `#`."""
    return topic.replace("/", ".").replace("+", "*")


def station_permissions(adcode: str, station: str) -> Permissions:
    """What a station may do: publish its own quick and bulk branches, hear its own down branch."""
    if not is_adcode(adcode):
        raise BadCredential(f"{adcode[:32]!r} is not a division code of six digits.")
    if not is_station_id(station):
        raise BadCredential(f"{station[:32]!r} is not a station name like 331002-0001.")
    branch = f"ws.{adcode}.{station}"
    return Permissions((f"{branch}.quick.>", f"{branch}.bulk.>"), (f"{branch}.down.>",))


def role_permissions(role: Role) -> Permissions:
    """What a process of the hub may do: just what it needs.

    A filter that ends in `>` needs its parent too, so filters of the contract do not end in `#`.
    Persistent sessions at QoS 1 need no `$MQTT` subject in nats-server 2.15 (a test keeps watch).
    """
    if role == "gateway":
        markers = (subject(topics.QUICK_MARKER), subject(topics.BULK_MARKER))
        return Permissions(
            ("ws.*.*.down.>", "hub.>", *markers),
            ("ws.*.*.quick", "ws.*.*.quick.>", "ws.*.*.bulk", "ws.*.*.bulk.>", "hub.>"),
        )
    if role == "api":
        return Permissions(("hub.command.>",), ("hub.hint.>",))
    return Permissions((), ("hub.hint.>",))


def operator_jwt(operator: SigningKey, system_account: VerifyKey, now_ms: int) -> str:
    """The operator's own statement; JetStream wants a system account in it.

    The broker does not reload when this text changes: make it once and keep it.
    """
    content = {"type": "operator", "version": 2, "system_account": nkey("account", system_account)}
    name = nkey("operator", operator.verify_key)
    return _jwt(operator, "operator", name, "waystation", content, now_ms // 1000)


def account_jwt(
    operator: SigningKey,
    account: VerifyKey,
    name: str,
    now_ms: int,
    *,
    jetstream: bool = False,
    revoked_at_s: Mapping[str, int] | None = None,
) -> str:
    """The account of the hub and its stations (with JetStream) or the broker's system account (without).

    How much may be stored is set once, for the whole broker, in its configuration.

    `revoked_at_s` maps a user's nkey to epoch seconds: credentials issued up to then are refused.
    """
    limits: dict[str, Any] = {"wildcards": True, "leaf": 0}
    limits |= dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn"), _UNLIMITED)
    if jetstream:
        limits |= dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED)
    content = {
        "type": "account",
        "version": 2,
        "limits": limits,
        "default_permissions": {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}},
        "revocations": dict(revoked_at_s or {}),
    }
    return _jwt(operator, "operator", nkey("account", account), name, content, now_ms // 1000)


def user_jwt(
    account: SigningKey, user: VerifyKey, name: str, permissions: Permissions, issued_at_s: int
) -> str:
    """A bearer token, used as the MQTT password; it works on the MQTT listener only."""
    content = {
        "type": "user",
        "version": 2,
        "pub": _allow(permissions.publish),
        "sub": _allow(permissions.subscribe),
        "subs": _UNLIMITED,
        "data": _UNLIMITED,
        "payload": _UNLIMITED,
        "bearer_token": True,
        "allowed_connection_types": ["MQTT"],
    }
    return _jwt(account, "account", nkey("user", user), name, content, issued_at_s)


def station_user(account: SigningKey, adcode: str, station: str) -> VerifyKey:
    """The key that stands for a station: always the same one, so that revoking needs no list of tokens.

    Its private half is never used, because a bearer token proves itself.
    """
    name = f"ws-station-1|{adcode}|{station}".encode()
    return SigningKey(hmac.new(account.seed, name, hashlib.sha256).digest()).verify_key


def issue_station(
    account: SigningKey, adcode: str, station: str, now_ms: int, revoked_at_s: Mapping[str, int] | None = None
) -> str:
    """A new credential for a station; given the revocations, it is issued after the last one."""
    permissions = station_permissions(adcode, station)
    user = station_user(account, adcode, station)
    revoked_s = (revoked_at_s or {}).get(nkey("user", user), 0)
    return user_jwt(account, user, station, permissions, max(now_ms // 1000, revoked_s + 1))


def revoke_station(
    account: SigningKey, adcode: str, station: str, now_ms: int, revoked_at_s: Mapping[str, int]
) -> dict[str, int]:
    """The revocations with this station's added: all its credentials issued so far are refused.

    A credential made in the same second as its predecessor's revocation is dated one second later, so
    the mark never goes back and always covers it.
    """
    station_permissions(adcode, station)
    name = nkey("user", station_user(account, adcode, station))
    return {**revoked_at_s, name: max(now_ms // 1000, revoked_at_s.get(name, -1) + 1)}


def read_jwt(token: str, issuer: VerifyKey) -> dict[str, Any]:
    """The claims of a credential that `issuer` signed; raise BadCredential otherwise."""
    try:
        head, body, signature = token.split(".")
        if json.loads(from_base64url(head)) != _HEADER:
            raise BadCredential("The credential is not of the kind ed25519-nkey.")
        if not issuer.verifies(from_base64url(signature), f"{head}.{body}".encode("ascii")):
            raise BadCredential("The credential is not signed by this key.")
        claims: dict[str, Any] = json.loads(from_base64url(body))
    except (ValueError, RecursionError):
        raise BadCredential("The text is not a broker credential.") from None
    return claims


def _allow(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    # To NATS an empty list means everything, so nothing has to be said as a denial.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _jwt(
    issuer: SigningKey,
    issuer_kind: Literal["operator", "account"],
    holder: str,
    name: str,
    content: Mapping[str, Any],
    issued_at_s: int,
) -> str:
    claims: dict[str, Any] = {
        "iat": issued_at_s,
        "iss": nkey(issuer_kind, issuer.verify_key),
        "name": name,
        "sub": holder,
        "nats": dict(content),
    }
    claims["jti"] = _base32(hashlib.sha256(_json(claims)).digest())
    text = f"{to_base64url(_json(_HEADER))}.{to_base64url(_json(claims))}"
    return f"{text}.{to_base64url(issuer.sign(text.encode('ascii')))}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8")


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).rstrip(b"=").decode("ascii")
