"""The runs of a station's speakers: where a stored message stands, and whether its clock could be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.clock_offset import least_offset, near_time, time_of
from domain.facts import Mark
from domain.ids import DeviceId
from rules.stored import StoredMessage


@dataclass(slots=True)
class _Boot:
    since_ms: int
    offset_ms: int | None = None
    clock_fault: bool | None = None


class BootClocks:
    """`began_ms` tells when each run of a speaker began, for those that are still remembered."""

    def __init__(self, began_ms: Mapping[tuple[DeviceId, str], int]) -> None:
        self._began_ms = began_ms
        self._boots: dict[tuple[DeviceId, str], _Boot] = {}

    def place(self, message: StoredMessage) -> tuple[Mark, bool | None]:
        """Where the message stands in the order of facts; and whether its clock is wrong, None: as before."""
        key = (message.speaker, message.boot)
        boot = self._boots.get(key)
        if boot is None:
            since_ms = self._began_ms.get(key)
            if since_ms is None:
                since_ms = min(message.at_ms, message.received_ms)
            boot = self._boots[key] = _Boot(since_ms)
        ts_ms, at_ms, moved = message.device_ts_ms, message.at_ms, None
        if ts_ms is not None:
            near = near_time(ts_ms, message.received_ms, boot.offset_ms)
            if near is not None:
                fault, boot.offset_ms = False, near[1]
            else:
                boot.offset_ms = least_offset(boot.offset_ms, ts_ms, message.received_ms)
                fault = time_of(ts_ms, message.received_ms, boot.offset_ms, True).fault
                # What was believed then, although late, came while the hub was catching up.
                fault = fault and at_ms == message.received_ms
            if fault != boot.clock_fault:
                boot.clock_fault = moved = fault
        return Mark(boot.since_ms, message.seq, at_ms), moved
