"""What belongs to a station: its devices with the speaker of each, and the codes on its doors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import NotFound
from domain.ids import DeviceId
from storage.areas import within
from storage.bulk import upsert
from storage.stations import Station, all_stations, touch
from storage.tables import device, door, station
from storage.versions import STATIONS, last_version


class Device(NamedTuple):
    """A device, and the speaker that carries its messages: the station's edge box or itself."""

    id: DeviceId
    speaker: DeviceId
    label: str | None = None
    label_en: str | None = None
    created_ms: int = 0


class Door(NamedTuple):
    """The address on a door. `n` is the number of its lock; a revoked code opens nothing."""

    code: str
    station: str
    n: int
    created_ms: int
    revoked_ms: int | None = None

    @property
    def lock(self) -> DeviceId:
        """The lock behind the code."""
        return DeviceId(self.station, "door_lock", self.n)


@dataclass(frozen=True, slots=True)
class Registry:
    """All stations and devices at one moment."""

    stations: dict[str, Station]
    devices: dict[DeviceId, Device]
    version: int


_DEVICE: Final = (
    device.c.station,
    device.c.kind,
    device.c.n,
    device.c.speaker_kind,
    device.c.speaker_n,
    device.c.label,
    device.c.label_en,
    device.c.created_ms,
)


def _device(row: sa.Row[*tuple[Any, ...]]) -> Device:
    name, kind, n, speaker_kind, speaker_n, label, label_en, created_ms = row
    speaker = DeviceId(name, speaker_kind, speaker_n)
    return Device(DeviceId(name, kind, n), speaker, label, label_en, created_ms)


def load(connection: Connection) -> Registry:
    """Everything at once, for a process that starts. Later: `stations.stations_since`."""
    stations = all_stations(connection)
    devices = {}
    for row in connection.execute(sa.select(*_DEVICE)):
        one = _device(row)
        devices[one.id] = one
    return Registry(stations, devices, last_version(connection, STATIONS))


def put_devices(connection: Connection, devices: Sequence[Device]) -> None:
    """Add devices, or replace them by their id. Raises NotFound for one of an unknown station."""
    _know_stations(connection, {one.id.station for one in devices})
    for one in devices:
        if one.speaker.station != one.id.station:
            raise NotFound(f"{one.id} cannot speak through {one.speaker}, which is another station's.")
    upsert(device).run(
        connection,
        [
            (*one.id, one.speaker.kind, one.speaker.n, one.label, one.label_en, one.created_ms)
            for one in devices
        ],
    )
    touch(connection, [one.id.station for one in devices])


def remove_device(connection: Connection, id: DeviceId) -> None:  # noqa: A002
    """Take a device out of the registry; what it reported stays until its retention ends."""
    gone = connection.execute(
        sa.delete(device).where(device.c.station == id.station, device.c.kind == id.kind, device.c.n == id.n)
    )
    if not gone.rowcount:
        raise NotFound(f"There is no device {id}.")
    touch(connection, [id.station])


def get_device(connection: Connection, id: DeviceId) -> Device:  # noqa: A002
    """The device, or NotFound."""
    found = connection.execute(
        sa.select(*_DEVICE).where(
            device.c.station == id.station, device.c.kind == id.kind, device.c.n == id.n
        )
    ).one_or_none()
    if found is None:
        raise NotFound(f"There is no device {id}.")
    return _device(found)


def list_devices(connection: Connection, *, area: str = "", kind: str | None = None) -> list[Device]:
    """Devices of an area or of one station, in the order of their ids."""
    wanted = (
        sa.select(*_DEVICE)
        .join(station, station.c.id == device.c.station)
        .where(within(area, station.c.area, station.c.id))
    )
    if kind is not None:
        wanted = wanted.where(device.c.kind == kind)
    return [_device(row) for row in connection.execute(wanted.order_by(*_DEVICE[:3]))]


def put_doors(connection: Connection, doors: Sequence[Door]) -> None:
    """Add door codes, or replace them by their code. Raises NotFound for one of an unknown station."""
    _know_stations(connection, {one.station for one in doors})
    upsert(door).run(connection, [tuple(one) for one in doors])
    touch(connection, [one.station for one in doors])


def get_door(connection: Connection, code: str) -> Door:
    """The door with this code; NotFound for an unknown or a revoked one, without saying which."""
    found = connection.execute(
        sa.select(door).where(door.c.code == code, door.c.revoked_ms.is_(None))
    ).one_or_none()
    if found is None:
        raise NotFound("There is no door with this code.")
    return Door(*found)


def list_doors(connection: Connection, *, area: str = "") -> list[Door]:
    """Valid door codes of an area or of one station."""
    wanted = (
        sa.select(door)
        .join(station, station.c.id == door.c.station)
        .where(within(area, station.c.area, station.c.id), door.c.revoked_ms.is_(None))
        .order_by(door.c.station, door.c.n, door.c.code)
    )
    return [Door(*row) for row in connection.execute(wanted)]


def _know_stations(connection: Connection, ids: set[str]) -> None:
    named = sorted(ids)
    known: set[str] = set()
    for at in range(0, len(named), 500):
        known.update(
            connection.scalars(sa.select(station.c.id).where(station.c.id.in_(named[at : at + 500])))
        )
    if missing := ids - known:
        raise NotFound(f"There is no station {min(missing)[:40]!r}; add it first.")
