"""What others left in the database for the gateway: resets, replays, another rulebook, other stations."""

from __future__ import annotations

from typing import NamedTuple

from domain.clock import Clock
from domain.errors import StorageUnavailable
from gateway.commit import Committer
from gateway.fleet import AlertKey, Fleet
from gateway.intake import Intake
from gateway.overlay import Overlay
from gateway.rulebooks import Rules
from rules.effects import ResolveAlert
from transport.inbox import Incoming


class Errands(NamedTuple):
    """What there is to do."""

    resets: list[AlertKey]
    replays: list[tuple[int, Incoming]]
    registry: bool
    rulebook: bool


def find_errands(committer: Committer, rules: Rules) -> Errands:
    """Look once; a database that does not answer leaves it to the next time."""
    try:
        return Errands(committer.resets(), committer.replays(), committer.registry_changed(), rules.changed())
    except StorageUnavailable:
        return Errands([], [], False, False)


def forget_reset_alerts(
    keys: list[AlertKey], fleet: Fleet, intake: Intake, rules: Rules, clock: Clock
) -> Overlay:
    """The rows were ended by whoever reset them; a condition that still holds begins a new episode."""
    overlay = Overlay(fleet, clock.now_ms())
    for key in keys:
        state = overlay.state_for_change(key.device)
        effects = rules.watcher.reset(key.device, state, key.part, key.code, overlay.now_ms)
        overlay.forgotten.append(key)
        intake.effects(overlay, key.device, [e for e in effects if not isinstance(e, ResolveAlert)])
        overlay.stations.add(key.device.station)
    return overlay
