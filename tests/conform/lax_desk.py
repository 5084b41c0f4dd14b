"""A door's side of the handshake written a second time, that can be lax in exactly one thing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import cbor2

from signing import cose
from signing.command import DOMAIN, Prepare, Signed, parse_command_payload, to_base64url
from signing.keys import VerifyKey
from tests.conform.bench import KEY

LIFE_S = 5.0
KNOWN = {KEY.kid: KEY.verify_key}
Said = list[tuple[str, dict[str, Any]]]


@dataclass
class _Open:
    nonce: bytes
    until_s: float


class LaxDesk:
    """`lax` names the one check that it leaves out; None for none."""

    def __init__(self, device: str, lax: str | None) -> None:
        self._device, self._lax = device, lax
        self._open: dict[str, _Open] = {}
        self._outcomes: dict[str, dict[str, Any]] = {}

    def hear(self, payload: bytes, now_s: float) -> Said:
        """(leaf, body) of what the door says."""
        asked = parse_command_payload(payload)
        if isinstance(asked, Prepare):
            return [("reply", self._prepare(asked.id, now_s))]
        return self._signed(asked, now_s)

    def _prepare(self, id_: str, now_s: float) -> dict[str, Any]:
        if id_ in self._outcomes and not (self._lax == "recorded" and self._outcomes[id_]["state"] == "done"):
            return self._outcomes[id_]
        living = [name for name, one in self._open.items() if one.until_s > now_s]
        if id_ not in living:
            if len(living) >= 4 and self._lax != "too_many_open":
                return self._no(id_, "too_many_open")
            self._open[id_] = _Open(secrets.token_bytes(16), now_s + LIFE_S)
        return {"id": id_, "state": "nonce", "nonce": to_base64url(self._open[id_].nonce)}

    def _signed(self, asked: Signed, now_s: float) -> Said:
        _, _, payload, _ = cbor2.loads(asked.message).value
        claims = cbor2.loads(payload)
        if (reason := self._problem(asked, claims, now_s)) is not None:
            return [("reply", self._no(asked.id, reason))]
        if asked.id in self._outcomes and self._lax != "once":
            return [("reply", self._outcomes[asked.id])]
        self._open.pop(asked.id, None)
        said: Said = [] if self._lax == "accepts" else [("reply", {"id": asked.id, "state": "accepted"})]
        if claims["action"] == "unlock" or self._lax == "unknown_action":
            said.append(("event", {"type": "unlocked", "command": asked.id, "last_unlock_cause": "remote"}))
            self._outcomes[asked.id] = {"id": asked.id, "state": "done"}
        else:
            self._outcomes[asked.id] = self._no(asked.id, "unknown action")
        return [*said, ("reply", self._outcomes[asked.id])]

    def _problem(self, asked: Signed, claims: dict[str, Any], now_s: float) -> str | None:
        problems = [self._signature(asked.message)]
        problems.append("other_device" if claims["device"] != self._device else None)
        problems.append("other_id" if claims["id"] != asked.id else None)
        kept = self._open.get(asked.id)
        if asked.id not in self._outcomes:
            problems.append("no_nonce" if kept is None else None)
            problems.append("expired" if kept is not None and kept.until_s <= now_s else None)
            problems.append("wrong_nonce" if kept is not None and kept.nonce != claims["nonce"] else None)
        return next((one for one in problems if one is not None and one != self._lax), None)

    def _signature(self, message: bytes) -> str | None:
        keys: dict[bytes, VerifyKey] = KNOWN
        try:
            cose.verify(message, keys, DOMAIN)
        except cose.Refused as refused:
            return refused.reason
        return None

    def _no(self, id_: str, reason: str) -> dict[str, Any]:
        return {"id": id_, "state": "rejected", "reason": "no" if self._lax == "reason" else reason}
