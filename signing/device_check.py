"""The check that a device runs before it moves anything; makers of hardware can follow it line by line."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import BadMessage
from signing import cose
from signing.command import (
    NONCE_BYTES,
    Command,
    Signed,
    is_command_id,
    open_command,
    parse_command_payload,
)
from signing.keys import VerifyKey

ACCEPTED = "accepted"
EXPIRED = "expired"
MAX_RECORDED = 64


@dataclass(frozen=True, slots=True)
class Nonce:
    """Send these random bytes back to the hub, in base64url, as the reply to `id`."""

    id: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """This id is over, or under way: send its outcome again and do nothing else."""

    id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Act now, then `record` how it ended."""

    command: Command


@dataclass(frozen=True, slots=True)
class Refused:
    """Do nothing.

    When `outcome` is known, the bytes came again after they were obeyed: send that outcome again
    instead of a rejection.
    """

    reason: str
    id: str | None = None
    outcome: str | None = None


@dataclass(slots=True)
class _Open:
    nonce: bytes
    made_at_s: float


class DeviceCheck:
    """State of one device: its open nonces and the outcomes of its last 64 commands.

    A device needs no clock that shows the hour: `monotonic_s` counts seconds since any moment, never
    jumps and never stops while a nonce lives. Everything is forgotten at a restart, which is safe: a
    nonce that is gone cannot be signed for.

    `accept` checks in this order and answers with the first reason that fails:
    `malformed` (JSON, base64url, size, the one COSE shape), `unknown_key`, `bad_signature`,
    `malformed` (the signed content), `other_device`, `other_id` (envelope and signature disagree),
    `used`, `expired`, `no_nonce`, `wrong_nonce`. The nonce is used up before the command is handed out.
    """

    def __init__(
        self,
        device_id: str,
        verify_keys: Mapping[bytes, VerifyKey],
        nonce_life_s: float = 5.0,
        max_open: int = 4,
    ) -> None:
        self._device_id = device_id
        self._verify_keys = dict(verify_keys)
        self._nonce_life_s = nonce_life_s
        self._max_open = max_open
        self._open: dict[str, _Open] = {}
        self._outcomes: dict[str, str] = {}

    def prepare(self, command_id: str, monotonic_s: float, random_bytes: bytes) -> Nonce | Recorded | Refused:
        """Answer the hub's question for a nonce.

        `random_bytes` are 16 fresh bytes from a generator fit for secrets; they are used only when a new
        nonce is made. Refused with `malformed` or `too_many_open`.
        """
        if len(random_bytes) != NONCE_BYTES:
            raise ValueError(f"a nonce takes {NONCE_BYTES} random bytes, not {len(random_bytes)}")
        if not is_command_id(command_id):
            return Refused("malformed")
        self._expire(monotonic_s)
        if command_id in self._outcomes:
            return Recorded(command_id, self._outcomes[command_id])
        if command_id not in self._open:
            if len(self._open) >= self._max_open:
                return Refused("too_many_open", command_id)
            self._open[command_id] = _Open(bytes(random_bytes), monotonic_s)
        return Nonce(command_id, self._open[command_id].nonce)

    def accept(self, payload: bytes, monotonic_s: float) -> Accepted | Refused:
        """Check what came on the command topic as a signed command; any bytes get an answer."""
        self._expire(monotonic_s)
        try:
            signed = parse_command_payload(payload)
        except BadMessage:
            return Refused("malformed")
        if not isinstance(signed, Signed):
            return Refused("malformed", signed.id)
        try:
            opened = open_command(signed.message, self._verify_keys)
        except cose.Refused as exc:
            return Refused(exc.reason, signed.id)
        command = opened.command
        if command.device != self._device_id:
            return Refused("other_device", signed.id)
        if command.id != signed.id:
            return Refused("other_id", signed.id)
        outcome = self._outcomes.get(command.id)
        if outcome == EXPIRED:
            return Refused("expired", command.id)
        if outcome is not None:
            return Refused("used", command.id, outcome)
        kept = self._open.get(command.id)
        if kept is None:
            return Refused("no_nonce", command.id)
        if not hmac.compare_digest(kept.nonce, opened.nonce):
            return Refused("wrong_nonce", command.id)
        del self._open[command.id]
        self.record(command.id, ACCEPTED)
        return Accepted(command)

    def record(self, command_id: str, outcome: str) -> None:
        """Remember how a command ended (`done`, `jammed`, …); the oldest of more than 64 is forgotten."""
        self._outcomes.pop(command_id, None)
        self._outcomes[command_id] = outcome
        while len(self._outcomes) > MAX_RECORDED:
            del self._outcomes[next(iter(self._outcomes))]

    def replace_keys(self, verify_keys: Mapping[bytes, VerifyKey]) -> None:
        """Take a new verification set, from a signed configuration."""
        self._verify_keys = dict(verify_keys)

    def _expire(self, monotonic_s: float) -> None:
        for command_id, kept in list(self._open.items()):
            # A clock that ran backwards is broken: nothing made before it counts.
            if not 0 <= monotonic_s - kept.made_at_s < self._nonce_life_s:
                del self._open[command_id]
                self.record(command_id, EXPIRED)
