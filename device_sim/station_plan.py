"""One planned station: its row of the ledger, what stands in it, and how much it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from domain.ids import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """A device behind the station's edge box; `size` holds numbers that a kind needs (`slots`)."""

    kind: str
    n: int = 1
    label: str | None = None
    label_en: str | None = None
    size: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPlan:
    """Fields as in the ledger; coordinates are WGS-84 degrees, `hours` an OSM opening_hours text."""

    id: str
    adcode: str
    area: str
    number: str
    name: str
    name_en: str
    address: str
    address_en: str
    grade: Literal["basic", "benchmark", "smart24h"]
    hours: str
    night_hours: str | None
    capacity: int | None
    lat: float
    lon: float
    datum: Literal["WGS-84"] = "WGS-84"
    phone: str | None = None
    status: Literal["active", "paused", "rebuilding", "closed"] = "active"
    status_reason: str | None = None
    status_until: str | None = None
    inside_egress: Literal["mechanical", "button"] = "mechanical"
    devices: tuple[DevicePlan, ...] = ()
    visits_per_day: float = 12.0
    swaps_per_day: float = 25.0

    def device_id(self, device: DevicePlan) -> DeviceId:
        """Its full name."""
        return DeviceId(self.id, device.kind, device.n)
