"""One device in its station: the behaviour, the desk for its commands, and a wire that may freeze."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from device_sim.behaviour import Finished, Start, behaviour_of
from device_sim.command_desk import CommandDesk
from device_sim.pace import OWN_PACE, Pace
from device_sim.room import Place
from device_sim.station_plan import DevicePlan
from domain.ids import DeviceId
from signing.keys import VerifyKey


class Spoken(NamedTuple):
    """A message on its way to the edge box."""

    leaf: str
    body: Mapping[str, Any]
    safety: bool = False


class Device:
    """Keeps two times apart: `steady_ms` for behaviour, `monotonic_s` for the life of nonces."""

    def __init__(
        self,
        id: DeviceId,  # noqa: A002  the name that every record here uses
        plan: DevicePlan,
        verify_keys: Mapping[bytes, VerifyKey],
        new_nonce: Callable[[], bytes],
    ) -> None:
        self.id = id
        self.behaviour = behaviour_of(plan.kind)
        self._plan = plan
        self._desk = CommandDesk(id, verify_keys, new_nonce)
        self._frozen_until_s: float | None = None
        self._late = False
        self._frozen: list[bytes] = []
        self._sign: tuple[str, bool | str] | None = None

    def begin(self, rng: random.Random, steady_ms: int, place: Place, pace: Pace = OWN_PACE) -> None:
        """Switch it on."""
        self.behaviour.begin(Start(rng, steady_ms, place, self._plan.size, pace))

    def tick(self, steady_ms: int) -> list[Spoken]:
        """What it has to say now."""
        spoken = []
        for word in self.behaviour.tick(steady_ms):
            if isinstance(word, Finished):
                spoken.append(Spoken("reply", self._desk.end(word.command_id, word.reason)))
            else:
                spoken.append(Spoken(word.leaf, word.body, word.safety))
                if word.leaf == "telemetry":
                    self._note_sign(word.body)
        return spoken

    def sign_of_life(self) -> list[Spoken]:
        """One thing that is as it last said: what changes is said at once."""
        return [Spoken("telemetry", dict([self._sign]))] if self._sign is not None else []

    def hear(self, payload: bytes, steady_ms: int, monotonic_s: float) -> list[Spoken]:
        """A message on the command topic."""
        if self._frozen_until_s is not None and monotonic_s < self._frozen_until_s:
            if self._late:
                self._frozen.append(payload)
            return []
        if not self.behaviour.hears():
            return []
        reply, command = self._desk.hear(payload, monotonic_s)
        spoken = [Spoken("reply", reply)] if reply is not None else []
        if command is not None:
            outcome = self.behaviour.on_command(steady_ms, command.id, command.action, command.args)
            if outcome.state != "pending":
                spoken += self.tick(steady_ms)
                spoken.append(Spoken("reply", self._desk.end(command.id, outcome.reason)))
        return spoken

    def freeze(self, until_s: float, late: bool) -> None:
        """Let no command through until then; with `late` they come all at once when it is over."""
        self._frozen_until_s, self._late = until_s, late

    def _note_sign(self, body: Mapping[str, Any]) -> None:
        """The first word of its first report that is no number."""
        if self._sign is None:
            plain = ((name, value) for name, value in body.items() if isinstance(value, (bool, str)))
            self._sign = next(plain, None)
        elif (value := body.get(self._sign[0])) is not None:
            self._sign = self._sign[0], value

    def thaw(self) -> list[bytes]:
        """Let commands through again; returns those that waited."""
        self._frozen_until_s = None
        waited, self._frozen = self._frozen, []
        return waited
