"""`waystation credential mosquitto` and `ca`: a folder to run in, and what a device has to trust."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from runtime import certificate
from runtime.mosquitto_files import SHIPPED
from tests.runtime.command_line import STATION, Waystation, add

ON_MOSQUITTO = {"WAYSTATION_BROKER": "mosquitto"}
OTHER = "331002-9002"


@pytest.fixture
def folder(var_dir: Path) -> Path:
    """Where Mosquitto runs."""
    return var_dir / "mosquitto"


def names_in(passwords: Path) -> list[str]:
    """Who may come in."""
    return [line.partition(":")[0] for line in passwords.read_text("ascii").splitlines()]


def test_the_folder_holds_what_mosquitto_needs_and_is_for_its_owner_only(
    waystation: Waystation, folder: Path
) -> None:
    add(waystation, STATION, "--device", "door_lock/1")
    password = waystation("credential", "issue", STATION, "--password-only").out.strip()
    said = waystation("credential", "mosquitto")

    assert said.code == 0, said.err
    assert said.out == f"{folder}: 1 speakers and the hub's own processes may come in.\n"
    assert names_in(folder / "stations.passwords") == [STATION]
    assert set(names_in(folder / "hub.passwords")) == {"gateway", "api", "courier"}
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 for file in [folder, *folder.iterdir()])
    written = "".join(file.read_text("utf-8") for file in folder.iterdir() if file.is_file())
    assert password not in written
    for name in re.findall(r"(?m)^(?:certfile|keyfile|password_file|acl_file) (\S+)$", written):
        assert (folder / name).exists(), name


def test_the_configuration_has_the_ports_of_the_settings_and_this_user(
    waystation: Waystation, folder: Path
) -> None:
    waystation("credential", "mosquitto", WAYSTATION_MQTT_PORT="2683", WAYSTATION_MQTT_TLS_PORT="2883")

    written = (folder / "mosquitto.conf").read_text("utf-8")
    assert re.findall(r"(?m)^listener (.*)$", written) == ["2883", "2683"]
    assert f"\nuser {folder.owner()}\n" in written
    shipped = (SHIPPED / "mosquitto.conf").read_text("utf-8")
    assert len(written.splitlines()) == len(shipped.splitlines())


def test_a_second_time_changes_nothing(waystation: Waystation, folder: Path) -> None:
    add(waystation)
    waystation("credential", "issue", STATION)
    first = waystation("credential", "mosquitto")
    before = {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()}
    again = waystation("credential", "mosquitto")

    assert again == first
    assert {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()} == before


def test_a_configuration_that_somebody_changed_stays_and_ports_that_differ_are_said(
    waystation: Waystation, folder: Path
) -> None:
    waystation("credential", "mosquitto")
    own = (folder / "mosquitto.conf").read_text("utf-8").replace("listener 8883", "listener 9999 10.0.0.1")
    (folder / "mosquitto.conf").write_text(own, "utf-8")
    said = waystation("credential", "mosquitto")

    assert (folder / "mosquitto.conf").read_text("utf-8") == own
    assert said.err.startswith("mosquitto.conf there has no listener on port 8883, which the settings name:")
    assert said.err.count("\n") == 1
    assert waystation("credential", "mosquitto", WAYSTATION_MQTT_TLS_PORT="9999").err == ""


def test_whoever_gets_or_loses_a_credential_is_written_at_once_where_the_broker_is_mosquitto(
    waystation: Waystation, folder: Path
) -> None:
    for station in (STATION, OTHER):
        add(waystation, station)
        waystation("credential", "issue", station, **ON_MOSQUITTO)
    assert names_in(folder / "stations.passwords") == [STATION, OTHER]

    first = (folder / "stations.passwords").read_text("ascii").splitlines()
    said = waystation("credential", "revoke", STATION, **ON_MOSQUITTO)
    assert "Mosquitto refuses them" in said.out
    assert (folder / "stations.passwords").read_text("ascii").splitlines() == first[1:]

    waystation("credential", "issue", STATION, **ON_MOSQUITTO)
    new = (folder / "stations.passwords").read_text("ascii").splitlines()
    assert new[1] == first[1], "who was not concerned keeps the same line"
    assert new[0] != first[0]


def test_with_the_embedded_broker_no_such_folder_appears(waystation: Waystation, folder: Path) -> None:
    add(waystation)
    waystation("credential", "issue", STATION)
    assert not folder.exists()


def test_a_device_with_a_connection_of_its_own_has_a_name_and_its_stations_rights(
    waystation: Waystation, folder: Path
) -> None:
    add(waystation, STATION, "--device", "door_lock/1")
    said = waystation("credential", "issue", STATION, "--device", "door_lock/1", **ON_MOSQUITTO)

    name = f"{STATION}.door_lock.1"
    assert f"username  {name}\n" in said.out
    assert names_in(folder / "stations.passwords") == [name]
    _, _, own = (folder / "stations.acl").read_text("utf-8").partition(f"\nuser {name}\n")
    assert own.splitlines() == [
        f"topic write ws/331002/{STATION}/quick/#",
        f"topic write ws/331002/{STATION}/bulk/#",
        f"topic read ws/331002/{STATION}/down/#",
    ]


def test_without_a_database_one_sentence_says_what_comes_first(
    waystation: Waystation, var_dir: Path, folder: Path
) -> None:
    (var_dir / "waystation.sqlite3").unlink()
    said = waystation("credential", "mosquitto")

    assert said.code != 0
    assert "make it with `./waystation db init`" in said.err
    assert not folder.exists()


def test_no_broker_is_run_where_it_is_elsewhere(waystation: Waystation) -> None:
    said = waystation("broker", WAYSTATION_BROKER="nats")

    assert said.code == 2
    assert said.err.endswith("WAYSTATION_BROKER is nats: the broker is elsewhere, none is run here.\n")


def test_a_folder_that_cannot_be_one_is_one_sentence(waystation: Waystation, folder: Path) -> None:
    folder.write_text("I was here before.", "utf-8")
    said = waystation("credential", "mosquitto")

    assert said.code != 0
    assert said.err == f"{folder} cannot be written: File exists.\n"


def test_the_file_to_trust_is_shown_with_the_fingerprint_that_openssl_prints(
    waystation: Waystation, var_dir: Path
) -> None:
    said = waystation("credential", "ca", WAYSTATION_CERTIFICATE_NAMES="hub.example.org, broker")

    shown = dict(line.split(maxsplit=1) for line in said.out.splitlines()[:2])
    file = certificate.files_of(var_dir).authority
    assert shown["file"] == str(file)
    command = ["openssl", "x509", "-in", str(file), "-noout", "-fingerprint", "-sha256"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip().lower() == f"sha256 fingerprint={shown['sha-256']}".lower()
    assert "hub.example.org" in said.out
    assert (
        waystation("credential", "ca", WAYSTATION_CERTIFICATE_NAMES="broker").out.splitlines()[:3]
        == (said.out.splitlines()[:3])
    )


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: files.authority_key.chmod(0o644), "is open to others; close it with: chmod 600"),
        (lambda files: files.authority.write_text("no"), "is no certificate that can be read"),
        (lambda files: files.authority_key.write_text("no"), "is no key that can be read"),
        (lambda files: files.authority_key.unlink(), "do not belong together"),
    ],
)
@pytest.mark.parametrize("command", ["ca", "mosquitto"])
def test_an_authority_that_cannot_be_used_is_one_sentence_and_no_new_one(
    waystation: Waystation, var_dir: Path, command: str, spoil: object, sentence: str
) -> None:
    assert waystation("credential", command).code == 0
    files = certificate.files_of(var_dir)
    assert callable(spoil)
    spoil(files)
    before = files.authority.read_bytes()
    said = waystation("credential", command)

    assert said.code != 0
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert files.authority.read_bytes() == before


def test_a_name_that_is_none_is_said(waystation: Waystation) -> None:
    said = waystation("credential", "ca", WAYSTATION_CERTIFICATE_NAMES=f"{'x' * 70}.example")

    assert said.code != 0
    assert "is neither a host name nor an address." in said.err
