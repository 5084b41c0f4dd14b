"""Commands under way: prepare, nonce, sign, confirm; an unlock once, a safety command until it is true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from devices.decode import Answer
from domain.ids import DeviceId
from gateway.overlay import Spoke
from signing.command import NONCE_BYTES, from_base64url

NONCE_WITHIN_S = 3.0
FINAL_AFTER_S = 10.0
DOOR_WITHIN_S = 20.0
PREPARE_EVERY_S = 0.5
SIGNED_EVERY_S = 0.7
SIGNED_UNTIL_S = 8.0


AGAIN = "again"
"""Not a state: the row waits for its next attempt."""


class Step(NamedTuple):
    """A compare-and-set of a command row. It counts only if the row was in one of `from_states`."""

    id: str
    from_states: tuple[str, ...]
    to_state: str
    reason: str | None = None
    nonce: bytes | None = None


class Send(NamedTuple):
    """Something to tell a device now or never: the question for a nonce, or the signed command."""

    handshake: Handshake
    signed: bool


@dataclass(slots=True)
class Handshake:
    """One command. Times are this process's monotonic seconds; the database only ever sees states."""

    id: str
    device: DeviceId
    adcode: str
    action: str
    args: dict[str, Any]
    requested_s: float
    state: str = "preparing"
    must_hold: bool = False
    attempt: int = 1
    nonce: bytes | None = None
    signed: bytes | None = None
    send_at_s: float = 0.0
    done_s: float = 0.0

    @property
    def wire_id(self) -> str:
        """What the device knows the command by: each attempt is a new command to it."""
        return f"{self.id}-{self.attempt}" if self.must_hold else self.id

    @property
    def waits_for_door(self) -> bool:
        """After the bolt has moved, an unlock still waits for the leaf."""
        return self.action == "unlock"


_OPEN_BEFORE_DONE = ("sent", "accepted")
_UNDER_WAY = ("preparing", "sent", "accepted")
_ENDS = frozenset({"opened", "unused", "rejected", "no_answer", "expired", "failed", AGAIN})


class Handshakes:
    """All commands under way. Nothing here changes before its step is committed: see `settle`."""

    def __init__(self) -> None:
        self._by_id: dict[str, Handshake] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Handshake]:
        return iter(list(self._by_id.values()))

    @property
    def urgent(self) -> bool:
        """True while somebody waits at a door: then batches are kept small."""
        return any(h.state in ("preparing", "sent", "accepted") for h in self._by_id.values())

    def begin(self, handshake: Handshake) -> None:
        """Take on a command whose claim is committed."""
        self._by_id[handshake.id] = handshake

    def find(self, id_: str) -> Handshake | None:
        """The command of this id, while it is under way."""
        return self._by_id.get(id_)

    def hear(self, spoke: Iterable[Spoke], now_s: float) -> list[Step]:
        """What devices said, as steps to commit."""
        steps: list[Step] = []
        if not self._by_id:
            return steps
        for word in spoke:
            if isinstance(word.content, Answer):
                handshake = self._by_wire_id(word.content.reply.id)
                if handshake is not None and handshake.device == word.device:
                    steps.extend(self._reply(handshake, word.content, now_s))
            else:
                for handshake in self._by_id.values():
                    if handshake.device == word.device and handshake.action == "unlock":
                        steps.extend(self._event(handshake, word.content.type, word.content.body))
        return steps

    def overdue(self, now_s: float) -> list[Step]:
        """Commands that have ended because nothing came in time."""
        steps = []
        for h in self._by_id.values():
            age_s = now_s - h.requested_s
            if h.must_hold and (age_s > FINAL_AFTER_S or (h.state == "preparing" and age_s > NONCE_WITHIN_S)):
                steps.append(Step(h.id, _UNDER_WAY, AGAIN, "not_confirmed"))
            elif h.state == "preparing" and age_s > NONCE_WITHIN_S:
                steps.append(Step(h.id, ("preparing",), "no_answer", "no_nonce"))
            elif h.state in _OPEN_BEFORE_DONE and age_s > FINAL_AFTER_S:
                steps.append(Step(h.id, _OPEN_BEFORE_DONE, "expired", "not_confirmed"))
            elif h.state == "done" and h.waits_for_door and now_s - h.done_s > DOOR_WITHIN_S:
                steps.append(Step(h.id, ("done",), "unused", "not_opened"))
        return steps

    def settle(self, steps: Iterable[tuple[Step, bool]], now_s: float) -> list[Handshake]:
        """Take committed steps over. A step that did not count means that somebody else ended the command.
        Returns those that have ended."""
        ended = []
        for step, counted in steps:
            handshake = self._by_id.get(step.id)
            if handshake is None:
                continue
            if not counted:
                if handshake.state in step.from_states and step.to_state in ("sent", "no_answer", "expired"):
                    del self._by_id[step.id]
                    ended.append(handshake)
                continue
            handshake.state = step.to_state
            handshake.send_at_s = now_s
            if step.nonce is not None:
                handshake.nonce = step.nonce
            if step.to_state == "done":
                handshake.done_s = now_s
            if step.to_state in _ENDS or (step.to_state == "done" and not handshake.waits_for_door):
                del self._by_id[step.id]
                ended.append(handshake)
        return ended

    def to_send(self, now_s: float) -> list[Send]:
        """What must be said now: the question again every 0.5 s, the signed bytes again every 0.7 s."""
        sends = []
        for h in self._by_id.values():
            if now_s < h.send_at_s:
                continue
            age_s = now_s - h.requested_s
            if h.state == "preparing" and age_s <= NONCE_WITHIN_S:
                h.send_at_s = now_s + PREPARE_EVERY_S
                sends.append(Send(h, signed=False))
            elif h.state == "sent" and h.nonce is not None and age_s <= SIGNED_UNTIL_S:
                # Signed once, at this moment or never; later only the same bytes again.
                if h.signed is None and not 0 <= age_s <= NONCE_WITHIN_S:
                    continue
                h.send_at_s = now_s + SIGNED_EVERY_S
                sends.append(Send(h, signed=True))
        return sends

    def next_s(self) -> float | None:
        """When something must be sent or ended next."""
        if not self._by_id:
            return None
        return min(
            h.send_at_s
            if h.state in ("preparing", "sent")
            else h.requested_s + FINAL_AFTER_S
            if h.state == "accepted"
            else h.done_s + DOOR_WITHIN_S
            for h in self._by_id.values()
        )

    def _by_wire_id(self, wire_id: str) -> Handshake | None:
        for handshake in self._by_id.values():
            if handshake.wire_id == wire_id:
                return handshake
        return None

    @staticmethod
    def _reply(h: Handshake, answer: Answer, now_s: float) -> list[Step]:
        reply = answer.reply
        if reply.state == "nonce" and h.state == "preparing" and reply.nonce:
            try:
                nonce = from_base64url(reply.nonce)
            except ValueError:
                nonce = b""
            if len(nonce) != NONCE_BYTES:
                return [Step(h.id, ("preparing",), "rejected", "bad_nonce")]
            if now_s - h.requested_s <= NONCE_WITHIN_S:
                return [Step(h.id, ("preparing",), "sent", nonce=nonce)]
        if reply.state == "accepted":
            return [Step(h.id, ("sent",), "accepted")]
        if reply.state == "done":
            # What must hold is done when the facts show it, not when the device says so.
            return (
                [Step(h.id, ("sent",), "accepted")]
                if h.must_hold
                else [Step(h.id, _OPEN_BEFORE_DONE, "done")]
            )
        if reply.state == "rejected":
            to_state = AGAIN if h.must_hold else "rejected"
            return [Step(h.id, _UNDER_WAY, to_state, reply.reason or "device")]
        return []

    @staticmethod
    def _event(h: Handshake, type_: str, body: dict[str, Any]) -> list[Step]:
        if type_ == "unlocked" and body.get("command") == h.id:
            return [Step(h.id, _OPEN_BEFORE_DONE, "done")]
        # The leaf may be reported in the same batch as the bolt: both steps stand in order.
        if type_ == "opened" and h.state in ("accepted", "done", "sent"):
            return [Step(h.id, ("done",), "opened")]
        if type_ == "locked" and h.state == "done":
            return [Step(h.id, ("done",), "unused", "not_opened")]
        return []
