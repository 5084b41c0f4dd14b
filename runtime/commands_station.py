"""`waystation station`: the ledger of stations, one by one or from a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import NotFound, WaystationError
from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = typer.Typer(no_args_is_help=True, help="Stations, their devices and doors.")


class StationExists(WaystationError):
    """There is such a station already."""


@app.command("list")
def list_(
    area: Annotated[str, typer.Option(help="First digits of a division, such as 3310.")] = "",
    text: Annotated[str, typer.Option(help="Looked for in names, address and number.")] = "",
) -> None:
    """Show stations.

    Example: ./waystation station list --area 331002
    """
    from storage import registry, stations

    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            found = stations.list_stations(connection, area=area, text=text, limit=20_000)
            devices = registry.list_devices(connection, area=area)
    finally:
        database.close()
    count: dict[str, int] = {}
    for device in devices:
        count[device.id.station] = count.get(device.id.station, 0) + 1
    show_table(
        ("station", "number", "name", "grade", "status", "hours", "devices"),
        ((s.id, s.number, s.name, s.grade, s.status, s.hours, count.get(s.id, 0)) for s in found),
        "There are no stations here: ./waystation station add --help",
    )


@app.command()
def show(station: Annotated[str, typer.Argument(help="Such as 331002-0001.")]) -> None:
    """Show one station with its devices, door codes and credentials.

    Example: ./waystation station show 331002-0001
    """
    from storage import credentials, registry, stations

    here = Installation.from_environment()
    database = here.database()
    try:
        with database.read() as connection:
            found = stations.get_station(connection, station)
            devices = registry.list_devices(connection, area=station)
            doors = registry.list_doors(connection, area=station)
            given = credentials.list_credentials(connection, station)
    finally:
        database.close()
    for name in type(found).__dataclass_fields__:
        if name not in ("created_ms", "version") and getattr(found, name) not in (None, ""):
            say(f"{name:<14} {getattr(found, name)}")
    for device in devices:
        say(f"{'device':<14} {device.id.short}, speaks through {device.speaker.short}")
    for door in doors:
        say(f"{'door':<14} door_lock/{door.n}: {here.settings.base_url}/d/{door.code}")
    for one in given:
        state = "valid" if one.revoked_ms is None else f"revoked {moment(one.revoked_ms)}"
        say(f"{'credential':<14} {one.speaker.short}, issued {moment(one.issued_ms)}, {state}")


@app.command()
def add(
    station: Annotated[str, typer.Argument(help="Division and serial, such as 331002-9001.")],
    name: Annotated[str, typer.Option(help="What people call it, in Chinese.")],
    device: Annotated[
        list[str] | None,
        typer.Option(help="A device such as door_lock/1; give it several times for several."),
    ] = None,
    hours: Annotated[str, typer.Option(help="OSM opening_hours, such as `Mo-Su 06:00-22:00`.")] = "24/7",
    capacity: Annotated[int | None, typer.Option(min=0, help="Seats.")] = None,
    number: Annotated[
        str | None, typer.Option(help="Short number on the plate; otherwise the serial.")
    ] = None,
    grade: Annotated[str, typer.Option(help="basic, benchmark or smart24h.")] = "basic",
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    address: Annotated[str | None, typer.Option(help="Where it is.")] = None,
    lat: Annotated[float | None, typer.Option(help="WGS-84.")] = None,
    lon: Annotated[float | None, typer.Option(help="WGS-84.")] = None,
) -> None:
    """Add a station; its doors get codes that nobody can guess.

    Example: ./waystation station add 331002-9001 --name 我的驿站 --device swap_cabinet/1 --capacity 8
    """
    from runtime.equipment import equipment
    from runtime.station_table import make_station
    from storage import audit, registry, stations

    given = {
        "id": station,
        "name": name,
        "name_en": name_en,
        "address": address,
        "number": number,
        "grade": grade,
        "hours": hours,
        "capacity": capacity,
        "lat": lat,
        "lon": lon,
    }
    here = Installation.from_environment()
    now_ms = here.now_ms()
    row = make_station({key: str(value) for key, value in given.items() if value is not None}, now_ms)
    devices, doors = equipment(station, device or [], now_ms)
    database = here.database()
    try:
        with database.write() as connection:
            if _known(connection, station):
                raise StationExists(
                    f"There is a station {station} already; `./waystation station show {station}`."
                )
            stations.put_stations(connection, [row])
            registry.put_devices(connection, devices)
            registry.put_doors(connection, doors)
            audit.note(connection, now_ms, "cli", "station.add", station, "ok")
    finally:
        database.close()
    say(f"Station {station} is there. Its credential: ./waystation credential issue {station}")
    for door in doors:
        say(f"door_lock/{door.n}: {here.settings.base_url}/d/{door.code}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A table (CSV, UTF-8) with a line of column names.")],
    check: Annotated[bool, typer.Option("--check", help="Only look for mistakes.")] = False,
) -> None:
    """Add or replace stations from a table; a mistake changes nothing and is named by line and column.

    Columns: id, name, number, name_en, address, address_en, area, grade, hours, night_hours, capacity, lat,
    lon, datum, phone, status, status_reason, status_until, inside_egress, devices (such as
    `door_lock/1 occupancy_sensor/1`). Only id and name must be there.

    Example: ./waystation station import stations.csv
    """
    from runtime.equipment import equipment
    from runtime.station_table import read_stations
    from storage import audit, registry, stations

    here = Installation.from_environment()
    now_ms = here.now_ms()
    rows = read_stations(file, now_ms)
    if check:
        say(f"{file} can be taken: {len(rows)} stations.")
        return
    database = here.database()
    try:
        with database.write() as connection:
            known_doors = {(door.station, door.n) for door in registry.list_doors(connection)}
            stations.put_stations(connection, [row.station for row in rows])
            for row in rows:
                devices, doors = equipment(row.station.id, row.devices, now_ms)
                registry.put_devices(connection, devices)
                registry.put_doors(connection, [d for d in doors if (d.station, d.n) not in known_doors])
            audit.note(connection, now_ms, "cli", "station.import", file.name, "ok", {"stations": len(rows)})
    finally:
        database.close()
    say(f"Took {len(rows)} stations from {file}.")


@app.command("say")
def say_(
    topic: Annotated[
        str, typer.Argument(help="Such as ws/331002/331002-9001/bulk/swap_cabinet/1/telemetry.")
    ],
    payload: Annotated[str, typer.Argument(help="JSON, as the station would send it.")],
) -> None:
    """Send one message as a station would, with a credential made for this moment.

    What mosquitto_pub does with the credential of `credential issue`, for a machine without it.

    Example: ./waystation station say ws/331002/331002-9001/bulk/swap_cabinet/1/telemetry
    '{"v":1,"ts":null,"boot":"hand1","seq":1,"slots":[{"n":3,"temp_c":66}]}'
    """
    from runtime.one_message import send_one

    here = Installation.from_environment()
    send_one(here, topic, payload.encode())
    say("The broker has it.")


def _known(connection: Connection, station: str) -> bool:
    from storage import stations

    try:
        stations.get_station(connection, station)
    except NotFound:
        return False
    return True
