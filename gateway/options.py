"""What a gateway is told at its start."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from rules.calendar import Calendar
from rules.station_view import Timetables


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """`shard` is the row that it owns; `holder` is its name for a successor; each of `channels` is told.

    Without `keeps` only alerts, commands and what is shown are written: for simulated weeks, which nobody
    goes on with after a restart. Every `look_around_s` it looks for what others left in the database.
    """

    shard: int = 0
    holder: str = field(default_factory=lambda: f"process {os.getpid()}")
    retention_days: int = 30
    channels: tuple[str, ...] = ("webhook",)
    keeps: bool = True
    timetables: Timetables = field(default_factory=lambda: Timetables(Calendar()))
    look_around_s: float = 1.0
