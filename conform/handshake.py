"""The part of a sitting that commands one device: nonces, refusals, one right command, and its repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conform.sitter import Sitter
from conform.stage import Script, Stage, Wait
from devices.registry import kind_of
from domain import topics
from domain.ids import DeviceId
from signing.command import (
    NONCE_BYTES,
    Argument,
    Command,
    from_base64url,
    prepare_payload,
    sign_command,
    signed_payload,
)
from signing.keys import SigningKey

ANSWER_S = 3.0
NONCE_LIFE_S = 5.0
END_WITHIN_S = 15.0
MAX_OPEN = 4
CHECKS = tuple(
    f"command.{name}"
    for name in (
        "nonce", "same_nonce", "random", "four_open", "bad_signature", "unknown_key", "other_device",
        "other_id", "wrong_nonce", "expired", "accepts", "once", "recorded", "unknown_action", "reason",
    )
)  # fmt: skip


def try_commands(stage: Stage, sitter: Sitter) -> Script:
    """All of it, with the first device that takes commands."""
    commanded = [one for one in stage.reports.devices if kind_of(one.kind).commands]
    if not commanded:
        for check in CHECKS:
            stage.findings.unseen(check, "no device here takes commands")
        return
    device = commanded[0]
    known = kind_of(device.kind).commands
    name = sitter.command or next((n for n, c in known.items() if c.holds is None), next(iter(known)))
    args = {arg: low for arg, (low, _) in known[name].args.items()} if name in known else {}
    stage.part = f"commands to {device.short}"
    yield from _Examiner(stage, sitter, device, name, args).all()


@dataclass(slots=True)
class _Examiner:
    stage: Stage
    sitter: Sitter
    device: DeviceId
    action: str
    args: Mapping[str, Argument]

    def all(self) -> Script:
        yield from self._nonces()
        if self.stage.findings.is_broken("command.nonce"):
            return
        yield from self._refusals()
        yield from self._obeyed()
        yield from self._four_open()
        yield from self._unknown_action()

    def _nonces(self) -> Script:
        first, second = self._id(), self._id()
        yield from self._ask(first)
        nonce = self._nonce(first)
        told = f"{self._where} id {first}: {'a nonce' if nonce else self._said(first)}"
        self._judge("nonce", nonce is not None, told)
        if nonce is None:
            return
        yield from self._ask(first)
        repeated = [one["nonce"] for one in self._replies(first) if one.get("state") == "nonce"]
        self._judge("same_nonce", len(repeated) > 1 and len(set(repeated)) == 1, f"{self._where} id {first}")
        yield from self._ask(second)
        other = self._nonce(second)
        plain = [n for n in (nonce, other) if n is not None and len(set(n)) < NONCE_BYTES // 2]
        told = (
            f"{self._where} ids {first} and {second}: {'the same nonce' if nonce == other else 'two nonces'}"
        )
        told += ", and one is no random number" if plain else ""
        self._judge("random", nonce != other and not plain, told)
        # Both are left to grow old: what is signed for them after 5 s comes too late.
        yield Wait(lambda: False, NONCE_LIFE_S + 0.5)
        yield from self._refused("expired", first, self._sign(first, nonce), "expired")

    def _refusals(self) -> Script:
        key, strange = self.sitter.key, self.sitter.strange_key
        for check in ("bad_signature", "unknown_key", "other_device", "other_id", "wrong_nonce"):
            id_ = self._id()
            yield from self._ask(id_)
            nonce = self._nonce(id_)
            if nonce is None:
                self.stage.findings.unseen(f"command.{check}", f"{id_} got no nonce")
                continue
            message = self._sign(id_, nonce)
            if check == "bad_signature":
                message = message[:-1] + bytes([message[-1] ^ 1])
            elif check == "unknown_key":
                message = self._sign(id_, nonce, key=strange)
            elif check == "other_device":
                message = self._sign(
                    id_, nonce, device=f"{self.device.station}/{self.device.kind}/{self.device.n + 1}"
                )
            elif check == "other_id":
                message = self._sign(self._id(), nonce)
            elif check == "wrong_nonce":
                message = self._sign(id_, bytes(255 - byte for byte in nonce), key=key)
            yield from self._refused(check, id_, message, check)
            # Its nonce may still be open, and only four may be.
            yield Wait(lambda: False, NONCE_LIFE_S / 2)

    def _obeyed(self) -> Script:
        id_ = self._id()
        yield from self._ask(id_)
        nonce = self._nonce(id_)
        if nonce is None:
            for check in ("accepts", "once", "recorded"):
                self.stage.findings.unseen(f"command.{check}", f"{id_} got no nonce")
            return
        message = signed_payload(id_, self._sign(id_, nonce))
        self._tell(message)
        yield Wait(lambda: bool(self._states(id_)), ANSWER_S)
        prompt = bool(self._states(id_))
        yield Wait(lambda: self._over(id_), END_WITHIN_S)
        over = self._over(id_)
        states = self._states(id_)
        good = prompt and over and states[0] == "accepted"
        self._judge("accepts", good, f"{self._where} {self.action} {id_}: {', '.join(states) or 'no answer'}")
        if not over:
            return
        before = len(self._states(id_))
        self._tell(message)
        yield Wait(lambda: len(self._states(id_)) > before, ANSWER_S)
        yield Wait(lambda: False, 2.0)
        after = self._states(id_)[before:]
        acted = self._acted(id_)
        told = f"{self._where} {id_}: after {states[-1]} the same bytes got {', '.join(after) or 'no answer'}"
        told += f"; {acted} events name the command" if acted > 1 else ""
        self._judge("once", bool(after) and set(after) == {states[-1]} and acted <= 1, told)
        before = len(self._states(id_))
        nonces = len(self._replies(id_)) - before
        yield from self._ask(id_)
        after = self._states(id_)[before:]
        new_nonce = len(self._replies(id_)) - len(self._states(id_)) > nonces
        told = f"{self._where} {id_}: {', '.join(after) or 'no outcome'}"
        told += " and a new nonce" if new_nonce else ""
        self._judge("recorded", set(after) == {states[-1]} and not new_nonce, told)

    def _four_open(self) -> Script:
        yield Wait(lambda: False, NONCE_LIFE_S + 0.5)
        ids = [self._id() for _ in range(MAX_OPEN + 1)]
        for id_ in ids:
            yield from self._ask(id_)
        given = [id_ for id_ in ids if self._nonce(id_) is not None]
        last = self._replies(ids[-1])
        refused = bool(last) and last[-1].get("state") == "rejected"
        told = f"{self._where}: of five ids {len(given)} got a nonce, the fifth {self._said(ids[-1])}"
        self._judge("four_open", len(given) <= MAX_OPEN and refused, told)
        if refused and last:
            self._reason(ids[-1], "too_many_open")
        yield Wait(lambda: False, NONCE_LIFE_S + 0.5)

    def _unknown_action(self) -> Script:
        id_, action = self._id(), "no_such_action"
        yield from self._ask(id_, action)
        nonce = self._nonce(id_)
        if nonce is not None:
            self._tell(signed_payload(id_, self._sign(id_, nonce, action=action, args={})))
            yield Wait(lambda: self._over(id_), END_WITHIN_S)
        replies = self._replies(id_)
        last = replies[-1] if replies else {}
        good = last.get("state") == "rejected" and bool(last.get("reason"))
        self._judge("unknown_action", good, f"{self._where} {action} {id_}: {self._said(id_)}")

    def _refused(self, check: str, id_: str, message: bytes, reason: str) -> Script:
        before = len(self._states(id_))
        self._tell(signed_payload(id_, message))
        yield Wait(lambda: len(self._states(id_)) > before, ANSWER_S)
        yield Wait(lambda: False, 1.0)
        states = self._states(id_)[before:]
        told = f"{self._where} id {id_}: {', '.join(states) or 'no answer'}"
        self._judge(check, bool(states) and set(states) == {"rejected"} and not self._acted(id_), told)
        if states and states[-1] == "rejected":
            self._reason(id_, reason)

    def _reason(self, id_: str, wanted: str) -> None:
        got = self._replies(id_)[-1].get("reason")
        self._judge("reason", got == wanted, f"{self._where} id {id_}: {got!r}, the contract says {wanted!r}")

    def _ask(self, id_: str, action: str | None = None) -> Script:
        """The question goes out every second until there is one more answer than before."""
        before = len(self._replies(id_))
        for _ in range(int(ANSWER_S)):
            self._tell(prepare_payload(id_, action or self.action))
            yield Wait(lambda: len(self._replies(id_)) > before, 1.0)
            if len(self._replies(id_)) > before:
                return

    def _sign(
        self,
        id_: str,
        nonce: bytes,
        *,
        key: SigningKey | None = None,
        device: str | None = None,
        action: str | None = None,
        args: Mapping[str, Argument] | None = None,
    ) -> bytes:
        command = Command(
            device or str(self.device), id_, action or self.action, self.args if args is None else args
        )
        return sign_command(key or self.sitter.key, command, nonce)

    def _replies(self, id_: str) -> list[dict[str, Any]]:
        return [
            m.body
            for m in self.stage.record.messages("quick")
            if m.leaf == "reply" and m.device == self.device and m.body.get("id") == id_
        ]

    def _states(self, id_: str) -> list[str]:
        return [str(one.get("state")) for one in self._replies(id_) if one.get("state") != "nonce"]

    def _nonce(self, id_: str) -> bytes | None:
        for one in self._replies(id_):
            if one.get("state") == "nonce":
                try:
                    nonce = from_base64url(one.get("nonce"))
                except ValueError:
                    return None
                return nonce if len(nonce) == NONCE_BYTES else None
        return None

    def _over(self, id_: str) -> bool:
        return any(state in ("done", "rejected") for state in self._states(id_))

    def _acted(self, id_: str) -> int:
        """How many events name the command."""
        return sum(
            1
            for m in self.stage.record.messages("quick")
            if m.leaf == "event" and m.body.get("command") == id_ and m.body.get("type") != "opened"
        )

    def _said(self, id_: str) -> str:
        replies = self._replies(id_)
        if not replies:
            return "no answer"
        return ", ".join(
            f"{r.get('state')}{' ' + str(r['reason']) if r.get('reason') else ''}" for r in replies
        )

    @property
    def _where(self) -> str:
        return topics.reply(self.sitter.adcode, self.device)

    def _id(self) -> str:
        return self.stage.word()

    def _tell(self, payload: bytes) -> None:
        self.stage.tell(topics.command(self.sitter.adcode, self.device), payload)

    def _judge(self, check: str, good: bool, told: str) -> None:
        self.stage.findings.judge(f"command.{check}", good, told)
