"""Puts the planned stations of the simulator into a registry that has none."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from device_sim.plan import plan_stations
from device_sim.station_plan import StationPlan
from domain.ids import edge_box
from runtime.equipment import equipment
from runtime.settings import TREE, Settings
from storage.database import Database
from storage.registry import Device, put_devices, put_doors
from storage.stations import Station, all_stations, put_stations
from storage.tables import meta

DIVISIONS = TREE / "data" / "zj_divisions.csv"
_KEY = "simulated"
_FIELDS = frozenset(Station.__dataclass_fields__) & frozenset(StationPlan.__dataclass_fields__)


def divisions() -> list[dict[str, str]]:
    """The ninety counties, and how many of 12,000 stations each has."""
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def planned(settings: Settings) -> list[StationPlan]:
    """The stations that the settings ask the simulator for."""
    return plan_stations(divisions(), settings.stations, settings.sim_seed, settings.sim_equipment)


def fill(database: Database, settings: Settings, now_ms: int) -> int:
    """Write down planned stations that are missing; returns how many.

    Only in a registry that was empty, or that was filled by this before: stations that people entered
    never get simulated ones beside them unasked. What people changed in a station stays.
    """
    plans = planned(settings)
    with database.write() as connection:
        known = all_stations(connection)
        ours = _simulated(connection)
        if known and not ours:
            return 0
        missing = [plan for plan in plans if plan.id not in known]
        if missing:
            write_down(connection, missing, now_ms)
            ids = sorted(ours | {plan.id for plan in missing})
            connection.execute(sa.delete(meta).where(meta.c.key == _KEY))
            connection.execute(sa.insert(meta).values(key=_KEY, value=json.dumps(ids)))
    return len(missing)


def to_simulate(database: Database, settings: Settings) -> list[StationPlan]:
    """Planned stations with devices that are in the registry because `fill` put them there."""
    with database.read() as connection:
        ours = _simulated(connection)
    return [plan for plan in planned(settings) if plan.devices and plan.id in ours]


def _simulated(connection: Connection) -> set[str]:
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == _KEY))
    return set(json.loads(found)) if found else set()


def write_down(connection: Connection, plans: Sequence[StationPlan], now_ms: int) -> None:
    """Put these stations with their devices and doors into the registry."""
    put_stations(
        connection,
        [Station(**{name: getattr(plan, name) for name in _FIELDS}, created_ms=now_ms) for plan in plans],
    )
    devices, doors = [], []
    for plan in plans:
        names = [f"{device.kind}/{device.n}" for device in plan.devices]
        doors += equipment(plan.id, names, now_ms)[1]
        for device in plan.devices:
            id_ = plan.device_id(device)
            devices.append(Device(id_, edge_box(plan.id), device.label, device.label_en, now_ms))
    put_devices(connection, devices)
    put_doors(connection, doors)
