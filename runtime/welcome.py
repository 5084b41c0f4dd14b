"""What a start says last: what to open, what to try, what to break."""

from __future__ import annotations

from sqlalchemy import Connection

from runtime.installation import Installation
from runtime.sign_in import demo_token, sign_in_link, staff_token
from runtime.way_in import way_in
from storage.alerts import all_open
from storage.database import Database
from storage.registry import list_devices, list_doors
from storage.stations import get_station
from storage.tokens import new_sign_in

FIRST_CHOICE = "331002-0001"
NEARBY = FIRST_CHOICE.partition("-")[0]


def welcome(here: Installation, database: Database) -> str:
    """The text; makes a new sign-in link, and a token for the curl line when the last one is over."""
    base, now_ms = here.settings.base_url, here.now_ms()
    with database.write() as connection:
        link = sign_in_link(
            base, new_sign_in(connection, staff_token(connection, here.var_dir, now_ms), now_ms)
        )
        token = demo_token(connection, here.var_dir, now_ms)
        cabinet = _a_cabinet(connection)
        door = _a_door(connection, cabinet)
    lines = [
        "",
        "Waystation is up.  Ctrl-C ends it; the data stay.",
        "",
        f"  Overview   {base}/",
        f"  Staff      {link}",
        "             signs one browser in, once, within 15 minutes; another: ./waystation token link",
        f"  API        {base}/docs",
        "",
        "  Stations with free seats now:",
        f"    curl -s '{base}/api/v1/stations?open=true&seats=1'",
    ]
    if door is not None:
        lines += [
            "  Open a door (the page of the same door: " + f"{base}/d/{door}):",
            f"    curl -s -X POST {base}/api/v1/doors/{door}/unlock \\",
            f"      -H 'Authorization: Bearer {token}' -H \"Idempotency-Key: $(date +%s%N)\"",
        ]
    if cabinet is not None and here.settings.stations:
        lines += [
            "  Break something, and watch the overview:",
            f"    ./waystation sim fault {cabinet} swap_cabinet/1 overheat --slot 3",
        ]
    return "\n".join([*lines, *_for_boards(here), ""])


def _for_boards(here: Installation) -> list[str]:
    """What a board on the network needs, where the broker is open to it."""
    way = way_in(here.settings)
    if way.authority is None:
        return []
    name = "the station" if way.names_count else "any"
    return [
        "  Connect a board of your own:",
        f"    host {way.host}  port {way.port}  (MQTT 3.1.1, TLS)  user name: {name}",
        f"    to trust: {way.authority}  (./waystation credential ca shows its fingerprint)",
        "    password: ./waystation station add …, then ./waystation credential issue …",
    ]


def _a_door(connection: Connection, but_not: str | None) -> str | None:
    """Not where the cabinet is that will be broken, nor where there is a safety alarm: nobody gets in."""
    shut = {one.device.station for one in all_open(connection) if one.refuse_entry}
    doors = [*list_doors(connection, area=NEARBY), *list_doors(connection)]
    active = [door for door in doors if get_station(connection, door.station).status == "active"]
    inviting = [door for door in active if door.station != but_not and door.station not in shut]
    return next((door.code for door in [*inviting, *active]), None)


def _a_cabinet(connection: Connection) -> str | None:
    stations = [device.id.station for device in list_devices(connection, kind="swap_cabinet")]
    return FIRST_CHOICE if FIRST_CHOICE in stations else stations[0] if stations else None
