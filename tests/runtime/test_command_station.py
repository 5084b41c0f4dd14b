"""`waystation station`: one by one, and from a table with every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.ids import edge_box
from storage import audit, registry, stations
from storage.database import Database
from tests.runtime.command_line import STATION, Waystation, add


def test_a_station_is_added_with_devices_and_a_door_that_nobody_can_guess(
    waystation: Waystation, hub_database: Database
) -> None:
    said = add(
        waystation, STATION, "--device", "door_lock/1", "--device", "swap_cabinet/1", "--capacity", "8"
    )

    assert said.code == 0
    with hub_database.read() as connection:
        known = stations.get_station(connection, STATION)
        devices = registry.list_devices(connection, area=STATION)
        (door,) = registry.list_doors(connection, area=STATION)
        noted = audit.newest(connection, action="station.add")
    assert (known.name, known.capacity, known.adcode, known.hours) == ("我的驿站", 8, "331002", "24/7")
    assert [one.id.short for one in devices] == ["door_lock/1", "swap_cabinet/1"]
    assert {one.speaker for one in devices} == {edge_box(STATION)}
    assert len(door.code) == 14
    assert f"/d/{door.code}" in said.out
    assert [row.target for row in noted] == [STATION]


def test_a_station_is_shown_and_listed(waystation: Waystation) -> None:
    add(waystation, STATION, "--device", "door_lock/1")

    shown = waystation("station", "show", STATION).out
    assert "我的驿站" in shown
    assert "door_lock/1, speaks through station/0" in shown
    listed = waystation("station", "list", "--area", "3310").out
    assert listed.splitlines()[0].split("\t")[:3] == [STATION, "9001", "我的驿站"]
    assert waystation("station", "list", "--area", "3301").out == ""


@pytest.mark.parametrize(
    ("station", "more", "said"),
    [
        ("331002", (), "is not a station"),
        (STATION, ("--device", "toaster/1"), "must be one of climate_sensor, door_lock"),
        (STATION, ("--device", "door_lock"), "needs a number from 1"),
        (STATION, ("--device", "door_lock/01"), "needs a number from 1"),
        (STATION, ("--hours", "whenever"), "hours: 'whenever' is not like"),
        (STATION, ("--grade", "gold"), "grade: 'gold' is not one of basic"),
        (STATION, ("--lat", "200"), "lat: '200.0' is not a number of degrees"),
    ],
)
def test_a_station_that_cannot_be_is_refused(
    waystation: Waystation, station: str, more: tuple[str, ...], said: str
) -> None:
    answer = add(waystation, station, *more)

    assert answer.code == 1
    assert said in answer.err
    assert waystation("station", "list").out == ""


def test_a_station_is_not_added_twice(waystation: Waystation) -> None:
    add(waystation)

    assert add(waystation)[0] == 1


def test_stations_come_from_a_table_as_excel_saves_it(
    waystation: Waystation, hub_database: Database, tmp_path: Path
) -> None:
    table = tmp_path / "stations.csv"
    table.write_text(
        "id,name,hours,capacity,lat,lon,devices\r\n"
        "331002-0007,东门驿站,Mo-Su 06:00-22:00,8,28.66,121.43,door_lock/1 occupancy_sensor/1\r\n"
        "331003-0001,西门驿站,,,,,\r\n",
        encoding="utf-8-sig",
    )

    assert waystation("station", "import", str(table)).code == 0
    with hub_database.read() as connection:
        known = stations.all_stations(connection)
        (door,) = registry.list_doors(connection)
    assert known["331002-0007"].lat == 28.66
    assert known["331003-0001"].hours is None
    assert waystation("station", "import", str(table)).code == 0
    with hub_database.read() as connection:
        assert registry.list_doors(connection) == [door], "a door keeps its code when the table comes again"


def test_every_mistake_of_a_table_is_named_by_line_and_column(waystation: Waystation, tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    table.write_text(
        "id,name,hours,capacity,lat,devices\n"
        "331002-0007,东门驿站,24/7,8,28.66,\n"
        "33100-7,西门驿站,24/7,many,28.66,door/1\n"
        "331002-0007,,24/7,8,288.66,\n"
        "331002-0008,北门驿站,24/7\n",
        encoding="utf-8",
    )

    said = waystation("station", "import", str(table))
    assert said.code == 1
    places = [line.split(": ")[1] for line in said.err.splitlines()]
    assert places == [
        "line 3, column id",
        "line 3, column capacity",
        "line 3, column devices",
        "line 4, column name",
        "line 4, column lat",
        "line 5",
    ]
    assert waystation("station", "list").out == ""


def test_a_table_with_an_unknown_column_is_refused_before_its_lines(
    waystation: Waystation, tmp_path: Path
) -> None:
    table = tmp_path / "stations.csv"
    table.write_text("id,title\n331002-0007,东门驿站\n", encoding="utf-8")

    said = waystation("station", "import", str(table))
    assert "line 1, column 2: 'title' is not a column" in said.err
    assert "the column name is missing" in said.err


def test_no_credential_for_a_station_that_is_not_there(waystation: Waystation) -> None:
    said = waystation("credential", "issue", "331002-7777")

    assert (said.code, said.err) == (1, "There is no station '331002-7777'.\n")
