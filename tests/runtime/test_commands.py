"""The command line as a whole: help, sentences for what is missing, the database."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.command_line import STATION, Waystation


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


def test_an_influxdb_that_is_not_there_is_said_in_one_sentence(
    waystation: Waystation, tmp_path: Path
) -> None:
    influx = {"SERIES": "influx", "INFLUX_URL": "http://127.0.0.1:9", "INFLUX_ORG": "x", "INFLUX_TOKEN": "x"}
    settings = {f"WAYSTATION_{name}": value for name, value in influx.items()}
    said = waystation("db", "init", WAYSTATION_VAR_DIR=str(tmp_path / "new"), **settings)

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "InfluxDB does not answer at http://127.0.0.1:9" in said.err


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


def test_a_rulebook_that_is_not_where_a_setting_says_stops_the_start(waystation: Waystation) -> None:
    said = waystation("db", "init", WAYSTATION_RULEBOOK="/nowhere/rules.yaml")

    assert said.code == 2
    assert said.err.startswith("/nowhere/rules.yaml cannot be read: ")
    assert "WAYSTATION_RULEBOOK" in said.err


def test_prune_takes_nothing_from_a_new_database(waystation: Waystation) -> None:
    assert waystation("db", "prune", "--days", "7").code == 0


def test_without_a_simulator_a_fault_is_one_sentence(waystation: Waystation) -> None:
    said = waystation("sim", "fault", "331002-0001", "swap_cabinet/1", "overheat", "--slot", "3")

    assert said.code == 1
    assert said.err.startswith("No simulator is running here")


def test_an_argument_of_a_fault_that_is_no_number_is_a_wrong_use(waystation: Waystation) -> None:
    said = waystation("sim", "fault", "331002-0001", "station", "clock_off", "--arg", "minutes=long")

    assert said.code == 2
    assert "'minutes=long' is not like minutes=90" in said.err


def test_without_a_broker_a_message_is_refused_in_one_sentence(waystation: Waystation) -> None:
    from tests.ports import free_port

    topic = f"ws/331002/{STATION}/quick/station/0/link"
    said = waystation("station", "say", topic, "{}", WAYSTATION_MQTT_PORT=str(free_port()))
    assert said.code == 2
    assert said.err.startswith("No broker answers on port ")
    assert waystation("station", "say", "ws/1", "{}").code == 1
