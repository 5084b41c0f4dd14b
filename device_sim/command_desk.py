"""How a device answers commands: nonce, check, one answer, and the same answer when asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import BadMessage
from domain.ids import DeviceId
from signing.command import Command, Prepare, parse_command_payload, to_base64url
from signing.device_check import ACCEPTED, Accepted, DeviceCheck, Nonce, Recorded
from signing.keys import VerifyKey

DONE = "done"
Reply = dict[str, Any]


class CommandDesk:
    """One device's side of the handshake. `new_nonce` gives 16 bytes fit for secrets."""

    def __init__(
        self, device: DeviceId, verify_keys: Mapping[bytes, VerifyKey], new_nonce: Callable[[], bytes]
    ) -> None:
        self._check = DeviceCheck(str(device), verify_keys)
        self._new_nonce = new_nonce

    def hear(self, payload: bytes, monotonic_s: float) -> tuple[Reply | None, Command | None]:
        """What to reply, and what to do (only once for each command)."""
        try:
            asked = parse_command_payload(payload)
        except BadMessage:
            return None, None
        if isinstance(asked, Prepare):
            answer = self._check.prepare(asked.id, monotonic_s, self._new_nonce())
            if isinstance(answer, Nonce):
                return {"id": answer.id, "state": "nonce", "nonce": to_base64url(answer.nonce)}, None
            if isinstance(answer, Recorded):
                return _reply(answer.id, answer.outcome), None
            return _reply(asked.id, answer.reason), None
        checked = self._check.accept(payload, monotonic_s)
        if isinstance(checked, Accepted):
            return _reply(checked.command.id, ACCEPTED), checked.command
        return _reply(asked.id, checked.outcome or checked.reason), None

    def end(self, command_id: str, reason: str | None) -> Reply:
        """Note how a command ended (`reason` when it could not be done) and say so."""
        outcome = reason or DONE
        self._check.record(command_id, outcome)
        return _reply(command_id, outcome)


def _reply(command_id: str, outcome: str) -> Reply:
    if outcome in (ACCEPTED, DONE):
        return {"id": command_id, "state": outcome}
    return {"id": command_id, "state": "rejected", "reason": outcome[:120]}
