"""The only one that tells devices what to do: claims rows, asks for nonces, signs, watches the end."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from domain import topics
from domain.clock import Clock
from gateway.commit import Committed, Committer, Work
from gateway.fleet import Fleet
from gateway.handshakes import FINAL_AFTER_S, Handshake, Handshakes, Send, Step
from gateway.overlay import Overlay
from gateway.wishes import Wishes
from signing.command import Command, prepare_payload, sign_command, signed_payload
from signing.keys import SigningKey
from storage import commands
from storage.commands import CommandRow
from storage.database import Database
from transport.hub import HubLink

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
URGENT_FOR_S = 30.0


class Desk:
    """Everything about commands that is not the decision itself."""

    def __init__(
        self,
        database: Database,
        hub: HubLink,
        signer: SigningKey,
        committer: Committer,
        clock: Clock,
        look_around_s: float,
    ) -> None:
        self._database = database
        self._hub = hub
        self._signer = signer
        self._committer = committer
        self._clock = clock
        self._look_around_s = look_around_s
        self._handshakes = Handshakes()
        self._wishes = Wishes()
        self._fleet = Fleet()
        self._claim_at_s = 0.0
        self._look_at_s = 0.0
        self._urgent_until_s = 0.0

    @property
    def urgent(self) -> bool:
        """True while somebody waits at a door, and for a while after: people come in numbers."""
        return self._handshakes.urgent or self._clock.monotonic_s() < self._urgent_until_s

    @property
    def claims_due(self) -> bool:
        """True when it is time to look for new commands."""
        return self._clock.monotonic_s() >= self._claim_at_s

    def look_soon(self, *, for_command: bool) -> None:
        """Somebody says that a command waits in the database, or something else that they want."""
        now_s = self._clock.monotonic_s()
        if for_command:
            self._urgent_until_s = now_s + URGENT_FOR_S
            self._claim_at_s = now_s
        else:
            self._look_at_s = now_s

    def looks_due(self) -> bool:
        """True about once a second (see `GatewayOptions`), and after a hint."""
        now_s = self._clock.monotonic_s()
        if now_s < self._look_at_s:
            return False
        self._look_at_s = now_s + self._look_around_s
        return True

    def wait_s(self) -> float:
        """How long nothing needs to be done here."""
        now_s = self._clock.monotonic_s()
        next_s = self._handshakes.next_s()
        waits = [self._claim_at_s - now_s, self._look_at_s - now_s]
        if next_s is not None:
            waits.append(next_s - now_s)
        return max(0.0, min(waits))

    def recover(self, fleet: Fleet) -> None:
        """Go on with what a predecessor left: unlocks only as far as their ten seconds reach."""
        self._fleet = fleet
        now_s = self._clock.monotonic_s()
        with self._database.read() as connection:
            rows = commands.open_commands(connection)
        for row in rows:
            if row.must_hold:
                self._wishes.recover(row, fleet)
                if row.state != "created":
                    self._handshakes.begin(self._handshake(row, now_s - FINAL_AFTER_S))
            elif row.state in ("preparing", "sent", "accepted", "done"):
                # Its nonce died with the predecessor: it can be heard to end, never signed again.
                handshake = self._handshake(row, now_s - row.age_ms / 1000)
                handshake.done_s = now_s
                self._handshakes.begin(handshake)

    def work(self, overlay: Overlay) -> Work:
        """Steps and new rows that belong to this batch."""
        now_s = self._clock.monotonic_s()
        steps = [
            *self._handshakes.hear(overlay.spoke, now_s),
            *self._wishes.settled(overlay, self._fleet),
            *self._handshakes.overdue(now_s),
        ]
        return Work(steps, self._wishes.new_in(overlay, self._fleet), self.claims_due)

    def after_commit(self, work: Work, committed: Committed) -> None:
        """Take over what the transaction did to command rows."""
        now_s = self._clock.monotonic_s()
        if work.claims:
            self._claim_at_s = now_s + LOOK_EVERY_S
        self._handshakes.settle(committed.steps, now_s)
        self._wishes.take(work.wishes)
        self._wishes.forget(
            step.id for step, counted in committed.steps if counted and step.to_state in ("done", "failed")
        )
        if work.wishes:
            self.look_soon(for_command=True)
        for row in committed.claimed:
            self._handshakes.begin(
                self._handshake(row, now_s if row.must_hold else now_s - row.age_ms / 1000)
            )
        self._hint(committed.claimed, committed.steps)

    def send(self) -> None:
        """Say what must be said now: questions for nonces, and signed commands while it is still time."""
        sends = self._handshakes.to_send(self._clock.monotonic_s())
        if any(send.signed for send in sends):
            # A process that was frozen since the commit must not act on a shard that it has lost.
            self._committer.still_mine()
        for send in sends:
            self._say(send)

    def _say(self, send: Send) -> None:
        h = send.handshake
        if send.signed:
            if h.signed is None:
                command = Command(device=str(h.device), id=h.wire_id, action=h.action, args=h.args)
                h.signed = signed_payload(h.wire_id, sign_command(self._signer, command, h.nonce or b""))
            payload = h.signed
        else:
            payload = prepare_payload(h.wire_id, h.action)
        if not self._hub.publish(topics.command(h.adcode, h.device), payload):
            logger.warning(
                "A command could not be sent: the broker is not connected",
                extra={"action": "command_unsent", "command": h.id},
            )

    def _hint(self, claimed: Iterable[CommandRow], steps: Iterable[tuple[Step, bool]]) -> None:
        told = {row.id: row.adcode for row in claimed}
        for step, counted in steps:
            handshake = self._handshakes.find(step.id)
            if counted:
                told[step.id] = handshake.adcode if handshake else "000000"
        for id_, adcode in told.items():
            self._hub.publish(topics.change_hint(adcode), json.dumps({"command": id_}).encode())

    @staticmethod
    def _handshake(row: CommandRow, requested_s: float) -> Handshake:
        return Handshake(
            id=row.id,
            device=row.device,
            adcode=row.adcode,
            action=row.action,
            args=dict(row.args),
            requested_s=requested_s,
            state="preparing" if row.state == "created" else row.state,
            must_hold=row.must_hold,
            attempt=row.attempt,
        )
