"""What a start says last can be typed at once."""

from __future__ import annotations

import re
from pathlib import Path

from domain.ids import DeviceId
from runtime.first_stations import fill
from runtime.installation import Installation
from runtime.settings import Settings
from runtime.welcome import FIRST_CHOICE, welcome
from storage.alerts import open_many
from storage.database import Database
from storage.registry import get_door
from tests.storage import rows


def test_the_door_to_try_is_one_that_lets_people_in(var_dir: Path, hub_database: Database) -> None:
    here = Installation(Settings(var_dir=var_dir))
    fill(hub_database, here.settings, here.now_ms())

    def shown() -> str:
        code = re.findall(r"/d/(\w+)", welcome(here, hub_database))[0]
        with hub_database.read() as connection:
            return get_door(connection, code).station

    first = shown()
    assert first != FIRST_CHOICE, "its cabinet is the one that will be broken"
    burning = rows.alert(device=DeviceId(first, "swap_cabinet", 1), safety=True, refuse_entry=True)
    with hub_database.write() as connection:
        open_many(connection, [burning])
    assert shown() not in (first, FIRST_CHOICE)
