"""What is checked, each as one sentence of the contract, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Outcome = Literal["kept", "broken", "not seen"]

_EXAMPLES = 3

SENTENCES: Mapping[str, str] = {
    "connect.clean": "It connects with a clean session.",
    "subscribe.down": "It subscribes to its own down branch at QoS 0.",
    "topic.shape": "Topics are those of the contract: levels, lane, leaf and a kind that is known.",
    "topic.own": "It speaks below its own station only.",
    "publish.qos": "It publishes at QoS 1.",
    "publish.retained": "Nothing is retained.",
    "payload.json": "Payloads are JSON objects in UTF-8, without doubled keys, NaN or NUL.",
    "payload.size": "No payload is longer than 16 KiB.",
    "payload.fields": "Fields have the types that the kind declares.",
    "envelope.shape": "Every message carries v, boot and seq, and a low that is not above seq.",
    "envelope.seq": "seq rises by one with each message, over both lanes.",
    "envelope.same": "The same seq always carries the same message, also when it is sent again.",
    "low.held": "low does not pass a message for which there was no ack.",
    "low.moves": "low rises when messages are acknowledged.",
    "clock.milliseconds": "ts is in milliseconds, or null.",
    "clock.plausible": "ts is within five minutes of the hub's time, or null.",
    "late.own_ts": "What was said while the line was down comes later, with the time at which it was so.",
    "link.first": "The speaker says that it is online within 5 s of each connection.",
    "link.shape": "link carries what the contract says, and no seq.",
    "link.again": "link is sent again until an ack echoes its conn.",
    "link.rest": "link rests when an ack has echoed its conn, until it has news.",
    "link.conn": "conn rises with each connection of a boot.",
    "link.will": "The will is on the link topic: offline, with the boot and conn of its connection.",
    "again.missing": "What was not acknowledged, though a later one of its lane was, is sent again.",
    "again.pace": "Nothing is sent again more than once a second.",
    "again.dropped": "What was sent again five times in vain is dropped, and counted in link.dropped.",
    "again.timeout": "When nothing is acknowledged for 10 s, the oldest of a lane is sent again.",
    "again.oldest": "On a time-out only the oldest of a lane is sent again.",
    "again.doubling": "After a time-out it waits twice as long.",
    "again.reconnect": "After a reconnect everything held is sent again, once.",
    "again.stops": "What was acknowledged is not sent again.",
    "store.new": "When the hub's store is another one, everything held is sent again.",
    "report.connect": "Every device reports all its fields at once after a start, soon after a reconnect.",
    "report.full": "Every field comes again within the time of a full report (10 min).",
    "report.period": "Every device reports at least as often as its kind says.",
    "command.nonce": "prepare is answered with a nonce of 16 bytes in base64url.",
    "command.same_nonce": "The same id gets the same nonce while that lives.",
    "command.random": "Every id gets a nonce of its own, which nobody can foretell.",
    "command.four_open": "At most four nonces are open; the fifth id is refused.",
    "command.bad_signature": "A command with a wrong signature is refused.",
    "command.unknown_key": "A command signed with a key that is not the hub's is refused.",
    "command.other_device": "A command for another device is refused.",
    "command.other_id": "A command whose id is not the signed one is refused.",
    "command.wrong_nonce": "A command signed for another nonce is refused.",
    "command.expired": "A command is refused when its nonce is older than 5 s.",
    "command.accepts": "A right command is accepted at once, and its end is told.",
    "command.once": "The same signed bytes again do nothing, and get the same outcome.",
    "command.recorded": "prepare for a command that is over gets its outcome, not a nonce.",
    "command.unknown_action": "A command that the device does not know is refused with a reason.",
    "command.reason": "A refusal gives the contract's reason.",
}


class Verdict(NamedTuple):
    """One check at the end; `evidence` are sentences with topic and seq."""

    id: str
    sentence: str
    outcome: Outcome
    evidence: tuple[str, ...]
    times: int


class Findings:
    """A check is broken when it was broken once, else kept when it was seen to be kept once."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, int]] = {}
        self._broken: dict[str, tuple[list[str], int]] = {}
        self._unseen: dict[str, str] = {}
        self._otherwise = "it did not come up"

    def kept(self, check: str, evidence: str) -> None:
        """It was as it should be; the newest evidence is shown."""
        times = self._kept[check][1] if check in self._kept else 0
        self._kept[_known(check)] = (evidence, times + 1)

    def broken(self, check: str, evidence: str) -> None:
        """It was not; the first three are shown."""
        told, times = self._broken.get(_known(check), ([], 0))
        if len(told) < _EXAMPLES:
            told.append(evidence)
        self._broken[check] = (told, times + 1)

    def judge(self, check: str, good: bool, evidence: str) -> None:
        """Either of the two."""
        (self.kept if good else self.broken)(check, evidence)

    def unseen(self, check: str, why: str) -> None:
        """Why there was nothing to see, unless something is seen later."""
        self._unseen[_known(check)] = why

    def not_reached(self, why: str) -> None:
        """Why there was nothing to see of all that has no reason of its own."""
        self._otherwise = why

    def is_broken(self, check: str) -> bool:
        """True when it was broken until now."""
        return check in self._broken

    def verdicts(self) -> list[Verdict]:
        """One for each check, in the order of the catalogue."""
        return [self._verdict(check, sentence) for check, sentence in SENTENCES.items()]

    def _verdict(self, check: str, sentence: str) -> Verdict:
        if check in self._broken:
            told, times = self._broken[check]
            return Verdict(check, sentence, "broken", tuple(told), times)
        if check in self._kept:
            evidence, times = self._kept[check]
            return Verdict(check, sentence, "kept", (evidence,), times)
        why = self._unseen.get(check, self._otherwise)
        return Verdict(check, sentence, "not seen", (why,), 0)


def _known(check: str) -> str:
    if check not in SENTENCES:
        raise KeyError(f"{check} is not in the catalogue of checks")
    return check
