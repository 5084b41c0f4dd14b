"""The command line as people use it: what it prints, what it keeps, and how it says no."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from domain.ids import DeviceId, edge_box
from runtime.cli import app
from runtime.secrets import load_secrets
from runtime.settings import TREE
from signing.station_credential import read_jwt
from storage import audit, quarantine, registry, rulebooks, stations, tokens
from storage.database import Database, open_database
from storage.quarantine import BadRow

STATION = "331002-9001"
BROKEN_RULES = """
rules:
  - code: too_hot
    kind: swap_cabinet
    when: temperature > 60
    severity: major
    texts: {zh: 热, en: hot}
"""


class Said(NamedTuple):
    """What a command printed, on which output, and how it ended."""

    code: int
    out: str
    err: str


Waystation = Callable[..., Said]


@pytest.fixture
def var_dir(tmp_path: Path, migrated_sqlite_url: str) -> Path:
    """A folder whose database has all its tables."""
    Path(migrated_sqlite_url.removeprefix("sqlite:///")).rename(tmp_path / "waystation.sqlite3")
    return tmp_path


@pytest.fixture
def waystation(var_dir: Path) -> Waystation:
    def run(*arguments: str, **settings: str) -> Said:
        environment = {"WAYSTATION_VAR_DIR": str(var_dir), **settings}
        result = CliRunner().invoke(app, list(arguments), env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def database(var_dir: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{var_dir / 'waystation.sqlite3'}")
    yield opened
    opened.close()


def add(waystation: Waystation, station: str = STATION, *more: str) -> Said:
    return waystation("station", "add", station, "--name", "我的驿站", *more)


def test_every_command_has_help_with_an_example(waystation: Waystation) -> None:
    def walk(*path: str) -> None:
        said = waystation(*path, "--help")
        assert said.code == 0
        commands = [
            line.split()[0]
            for line in said.out.partition("Commands:")[2].splitlines()
            if line.startswith("  ") and line[2] != " "
        ]
        for command in commands:
            walk(*path, command)
        if not commands:
            assert "Example: " in said.out, path

    walk()


def test_a_database_that_is_not_there_is_said_in_one_sentence(waystation: Waystation, tmp_path: Path) -> None:
    said = waystation("station", "list", WAYSTATION_VAR_DIR=str(tmp_path / "new"))

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("There is no database in ")
    assert said.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    waystation: Waystation, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = waystation("db", "init", WAYSTATION_VAR_DIR=str(tmp_path / "file" / "var"))

    assert said.code == 2
    assert "cannot be written" in said.err
    assert said.err.count("\n") == 1


def test_a_wrong_setting_is_said_in_one_sentence(waystation: Waystation) -> None:
    said = waystation("station", "list", WAYSTATION_PROT="9")

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "WAYSTATION_API_PORT" in said.err


def test_series_that_cannot_be_written_yet_stop_the_start(waystation: Waystation) -> None:
    influx = {"SERIES": "influx", "INFLUX_URL": "http://x", "INFLUX_ORG": "x", "INFLUX_TOKEN": "x"}
    said = waystation("db", "prune", **{f"WAYSTATION_{name}": value for name, value in influx.items()})

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "cannot write to yet" in said.err


def test_the_first_init_makes_keys_database_and_rulebook(waystation: Waystation, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert waystation("db", "init", WAYSTATION_VAR_DIR=str(new)).code == 0
    assert waystation("db", "init", WAYSTATION_VAR_DIR=str(new)).code == 0

    shown = waystation("rules", "list", WAYSTATION_VAR_DIR=str(new)).out
    assert len(shown.splitlines()) == 1
    assert shown.startswith("1\tyes\t")
    assert (new / "keys").is_dir()


def test_upgrade_names_the_revision(waystation: Waystation) -> None:
    said = waystation("db", "upgrade")

    assert said.code == 0
    assert said.out.startswith("The database is at revision ")


def test_prune_takes_nothing_from_a_new_database(waystation: Waystation) -> None:
    assert waystation("db", "prune", "--days", "7").code == 0


def test_a_station_is_added_with_devices_and_a_door_that_nobody_can_guess(
    waystation: Waystation, database: Database
) -> None:
    said = add(
        waystation, STATION, "--device", "door_lock/1", "--device", "swap_cabinet/1", "--capacity", "8"
    )

    assert said.code == 0
    with database.read() as connection:
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
        (STATION, ("--device", "toaster/1"), "must be one of door_lock"),
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
    waystation: Waystation, database: Database, tmp_path: Path
) -> None:
    table = tmp_path / "stations.csv"
    table.write_text(
        "id,name,hours,capacity,lat,lon,devices\r\n"
        "331002-0007,东门驿站,Mo-Su 06:00-22:00,8,28.66,121.43,door_lock/1 occupancy_sensor/1\r\n"
        "331003-0001,西门驿站,,,,,\r\n",
        encoding="utf-8-sig",
    )

    assert waystation("station", "import", str(table)).code == 0
    with database.read() as connection:
        known = stations.all_stations(connection)
        (door,) = registry.list_doors(connection)
    assert known["331002-0007"].lat == 28.66
    assert known["331003-0001"].hours is None
    assert waystation("station", "import", str(table)).code == 0
    with database.read() as connection:
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


def test_a_credential_is_for_the_stations_own_topics_and_is_noted(
    waystation: Waystation, var_dir: Path
) -> None:
    add(waystation, STATION, "--device", "swap_cabinet/1")
    said = waystation("credential", "issue", STATION)

    password = next(line.split()[1] for line in said.out.splitlines() if line.startswith("password "))
    claims = read_jwt(password, load_secrets(var_dir).account.verify_key)
    assert claims["nats"]["pub"]["allow"] == [
        f"ws.331002.{STATION}.quick.>",
        f"ws.331002.{STATION}.bulk.>",
    ]
    assert f"say ws/331002/{STATION}/bulk/swap_cabinet/1/telemetry '" in said.out
    assert waystation("credential", "list", STATION).out.startswith(f"{STATION}/station/0\t")


def test_the_message_that_a_credential_comes_with_is_one_that_the_hub_understands(
    waystation: Waystation,
) -> None:
    from devices.decode import decode_link, decode_telemetry
    from devices.registry import kinds
    from domain import topics

    names = [f"{kind}/1" for kind in kinds()]
    add(waystation, STATION, *(word for name in names for word in ("--device", name)))
    lines = waystation("credential", "issue", STATION).out.splitlines()
    typed = [line.removeprefix("say ").split(" ", 1) for line in lines if line.startswith("say ws/")]
    for topic, quoted in typed:
        parsed, payload = topics.parse(topic), quoted.strip("'").encode()
        if parsed.leaf == "link":
            assert decode_link(payload).link.online
        else:
            reading = decode_telemetry(kinds()[parsed.device.kind], payload)
            assert reading.fields or reading.parts
            assert reading.extra == {}
    assert len(typed) == 1 + len(names)


def test_a_device_may_get_a_connection_of_its_own(waystation: Waystation, database: Database) -> None:
    add(waystation, STATION, "--device", "door_lock/1")
    said = waystation("credential", "issue", STATION, "--device", "door_lock/1")

    lock = DeviceId(STATION, "door_lock", 1)
    with database.read() as connection:
        assert registry.get_device(connection, lock).speaker == lock
    assert f"say ws/331002/{STATION}/quick/door_lock/1/link " in said.out


def test_revoked_credentials_are_refused_by_the_next_broker(waystation: Waystation, var_dir: Path) -> None:
    add(waystation)
    waystation("credential", "issue", STATION)
    said = waystation("credential", "revoke", STATION)

    assert "will refuse them when it starts" in said.out
    assert len(load_secrets(var_dir).revocations()) == 1
    assert not waystation("credential", "list", STATION).out.rstrip().endswith("\t-")


def test_no_credential_for_a_station_that_is_not_there(waystation: Waystation) -> None:
    said = waystation("credential", "issue", "331002-7777")

    assert (said.code, said.err) == (1, "There is no station '331002-7777'.\n")


def test_the_public_keys_for_hardware_hold_nothing_secret(waystation: Waystation, var_dir: Path) -> None:
    shown = waystation("credential", "keys").out

    assert "BEGIN PUBLIC KEY" in shown
    assert "PRIVATE" not in shown


def test_a_token_is_shown_once_and_kept_as_a_hash(
    waystation: Waystation, database: Database, var_dir: Path
) -> None:
    said = waystation("token", "create", "--name", "dashboard", "--scope", "alerts:read", "--area", "3310")

    text = said.out.splitlines()[0]
    with database.read() as connection:
        (row,) = tokens.all_tokens(connection)
        found = tokens.by_secret(connection, text, row.created_ms)
    assert found is not None
    assert (found.scopes, found.area) == (frozenset({"alerts:read"}), "3310")
    assert text.rpartition("_")[2] not in (var_dir / "waystation.sqlite3").read_bytes().decode("latin-1")
    assert "dashboard" in waystation("token", "list").out

    assert waystation("token", "revoke", row.id).code == 0
    assert "revoked" in waystation("token", "list").out
    assert waystation("token", "revoke", row.id).code == 1


def test_a_token_with_an_unknown_right_is_refused(waystation: Waystation) -> None:
    said = waystation("token", "create", "--name", "x", "--scope", "doors:open", "--area", "33")

    assert said.code == 1
    assert "There is no scope doors:open; choose from stations:read" in said.err


def test_a_sign_in_link_works_once_and_all_links_share_one_token(
    waystation: Waystation, database: Database, var_dir: Path
) -> None:
    links = [waystation("token", "link", WAYSTATION_PUBLIC_URL="https://yz.example").out for _ in range(2)]

    assert all(link.startswith("https://yz.example/sign-in?t=") for link in links)
    with database.write() as connection:
        (token,) = tokens.all_tokens(connection)
        secret = links[0].strip().partition("?t=")[2]
        assert tokens.use_sign_in(connection, secret, token.created_ms) == token
        assert tokens.use_sign_in(connection, secret, token.created_ms) is None
    kept = var_dir / "shown-tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {"staff": token.id}


def test_the_rulebook_that_comes_with_the_hub_is_right(waystation: Waystation) -> None:
    said = waystation("rules", "check", str(TREE / "rules" / "rulebook.yaml"))

    assert (said.code, said.err) == (0, "")
    assert " cases as expected" in said.out


def test_a_broken_rulebook_is_named_by_file_line_and_field_and_changes_nothing(
    waystation: Waystation, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(BROKEN_RULES, encoding="utf-8")

    for command in ("check", "load"):
        said = waystation("rules", command, str(file))
        assert said.code == 1
        assert f"{file}:5: " in said.err
        assert "when" in said.err
    assert waystation("rules", "list").out == ""
    assert waystation("rules", "check", str(tmp_path / "none.yaml")).code == 1


def test_a_loaded_rulebook_is_in_force_and_noted(
    waystation: Waystation, database: Database, tmp_path: Path
) -> None:
    text = (TREE / "rules" / "rulebook.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text + "\n# changed\n", encoding="utf-8")

    assert waystation("rules", "load", str(file)).code == 0
    with database.read() as connection:
        assert rulebooks.active(connection).text.endswith("# changed\n")
        assert [row.actor for row in audit.newest(connection, action="rules.load")] == ["cli"]


@pytest.fixture
def kept(database: Database) -> int:
    """A message in the quarantine."""
    row = BadRow(
        f"ws/331002/{STATION}/bulk/swap_cabinet/1/telemetry",
        b'{"temp":"\x1b[31mhot"}',
        "bad_payload",
        "slots.3.temp_c",
        "expected a number",
        1_795_467_427_000,
        STATION,
    )
    with database.write() as connection:
        quarantine.put_many(connection, [row])
        (found,) = quarantine.search(connection)
    return found.id


def test_the_quarantine_is_listed_shown_replayed_and_dropped(
    waystation: Waystation, database: Database, kept: int
) -> None:
    listed = waystation("quarantine", "list", "--station", STATION).out.split("\t")
    assert listed[0] == str(kept)
    assert "slots.3.temp_c" in listed
    shown = waystation("quarantine", "show", str(kept)).out
    assert "\x1b" not in shown
    assert r"\x1b[31mhot" in shown

    assert waystation("quarantine", "replay", str(kept)).code == 0
    with database.read() as connection:
        assert [one.message.id for one in quarantine.next_replays(connection)] == [kept]
    assert waystation("quarantine", "drop", str(kept)).code == 0
    assert waystation("quarantine", "list").out == ""
    assert "dropped" in waystation("quarantine", "list", "--all").out
    assert waystation("quarantine", "show", "999").code == 1


def test_without_a_simulator_a_fault_is_one_sentence(waystation: Waystation) -> None:
    said = waystation("sim", "fault", "331002-0001", "swap_cabinet/1", "overheat", "--slot", "3")

    assert said.code == 1
    assert said.err.startswith("No simulator is running here")


def test_an_argument_of_a_fault_that_is_no_number_is_a_wrong_use(waystation: Waystation) -> None:
    said = waystation("sim", "fault", "331002-0001", "station", "clock_off", "--arg", "minutes=long")

    assert said.code == 2
    assert "'minutes=long' is not like minutes=90" in said.err


def test_without_a_broker_a_message_is_refused_in_one_sentence(waystation: Waystation) -> None:
    from tests.runtime.listener import free_port

    topic = f"ws/331002/{STATION}/quick/station/0/link"
    said = waystation("station", "say", topic, "{}", WAYSTATION_MQTT_PORT=str(free_port()))
    assert said.code == 2
    assert said.err.startswith("No broker answers on port ")
    assert waystation("station", "say", "ws/1", "{}").code == 1
