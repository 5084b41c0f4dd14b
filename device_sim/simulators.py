"""Several processes that share the stations of one simulator, spoken to as if they were one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device_sim.behaviour import Arguments
from device_sim.control import SimNotRunning, ask
from device_sim.fault_kind import UnknownFault

FOLDER = "sim"


def part_dir(var_dir: Path, number: int) -> Path:
    """Where the process that plays this part has its socket."""
    return var_dir / FOLDER / str(number)


def share(stations: Sequence[str], parts: int) -> dict[str, int]:
    """Which process plays which station."""
    return {station: at % parts for at, station in enumerate(stations)}


class Simulators:
    """Passes each request on to the process that plays the station; see `device_sim.control.Played`."""

    def __init__(self, var_dir: Path, part_of: Mapping[str, int], parts: int) -> None:
        self._dirs = [part_dir(var_dir, number) for number in range(parts)]
        self._part_of = part_of

    def inject(
        self, station: str, device: str | None, fault: str, args: Arguments | None = None
    ) -> dict[str, float | None]:
        """Break something; see Fleet.inject."""
        request = {
            "do": "fault",
            "station": station,
            "device": device,
            "fault": fault,
            "args": dict(args or {}),
        }
        used: dict[str, float | None] = self._ask(station, request)
        return used

    def heal(self, station: str, device: str | None = None, fault: str | None = None) -> list[str]:
        """Repair something; see Fleet.heal."""
        request = {"do": "heal", "station": station, "device": device, "fault": fault}
        repaired: list[str] = self._ask(station, request)
        return repaired

    def status(self) -> list[dict[str, Any]]:
        """All stations of all parts."""
        return [one for folder in self._dirs for one in ask(folder, {"do": "status"})]

    def known_faults(self) -> dict[str, dict[str, Any]]:
        """As the first part knows them; a part may lack a kind that another has."""
        known: dict[str, dict[str, Any]] = {}
        for folder in self._dirs:
            known |= ask(folder, {"do": "faults"})
        return known

    def totals(self) -> dict[str, int]:
        """Sums over all parts that run; a part that is not there yet counts nothing."""
        sums: dict[str, int] = {"stations": 0, "connected": 0, "said": 0, "held": 0, "dropped": 0, "parts": 0}
        for folder in self._dirs:
            try:
                for name, count in ask(folder, {"do": "totals"}).items():
                    sums[name] = sums.get(name, 0) + count
            except (SimNotRunning, OSError):
                continue
            sums["parts"] += 1
        return sums

    def numbers(self) -> dict[str, dict[str, Any]]:
        """What every station has said, and which of it waits."""
        told: dict[str, dict[str, Any]] = {}
        for folder in self._dirs:
            told |= ask(folder, {"do": "numbers"})
        return told

    def _ask(self, station: str, request: Mapping[str, Any]) -> Any:
        number = self._part_of.get(station)
        if number is None:
            raise UnknownFault(f"No station {station!r} is simulated; there are {len(self._part_of)}.")
        return ask(self._dirs[number], request)
