"""Every table but the time series and the roll-ups, in one place to be imported from."""

from __future__ import annotations

from storage.alert_tables import alert, alert_basis, alert_is_open, notice
from storage.columns import metadata
from storage.command_tables import OPEN_COMMAND_STATES, access, command, command_step, unlock_in_flight
from storage.device_tables import (
    availability,
    boot,
    device_state,
    event,
    quarantine,
    replay,
    speaker,
    station_ages,
)
from storage.hub_tables import api_token, audit, meta, rulebook, shard, sign_in, version, worker
from storage.ledger_tables import credential, device, door, station
from storage.outbox_tables import outbox, position

__all__ = [
    "OPEN_COMMAND_STATES",
    "access",
    "alert",
    "alert_basis",
    "alert_is_open",
    "api_token",
    "audit",
    "availability",
    "boot",
    "command",
    "command_step",
    "credential",
    "device",
    "device_state",
    "door",
    "event",
    "meta",
    "metadata",
    "notice",
    "outbox",
    "position",
    "quarantine",
    "replay",
    "rulebook",
    "shard",
    "sign_in",
    "speaker",
    "station",
    "station_ages",
    "unlock_in_flight",
    "version",
    "worker",
]
