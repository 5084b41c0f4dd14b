"""`waystation credential` and `token`: what is given out, shown once, and taken back."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from domain.ids import DeviceId
from runtime.secrets import load_secrets
from signing.keys import verify_keys_from_text
from signing.station_credential import read_jwt
from storage import registry, tokens
from storage.database import Database
from tests.runtime.command_line import STATION, Waystation, add


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


def test_a_device_may_get_a_connection_of_its_own(waystation: Waystation, hub_database: Database) -> None:
    add(waystation, STATION, "--device", "door_lock/1")
    said = waystation("credential", "issue", STATION, "--device", "door_lock/1")

    lock = DeviceId(STATION, "door_lock", 1)
    with hub_database.read() as connection:
        assert registry.get_device(connection, lock).speaker == lock
    assert f"say ws/331002/{STATION}/quick/door_lock/1/link " in said.out


def test_revoked_credentials_are_refused_by_the_next_broker(waystation: Waystation, var_dir: Path) -> None:
    add(waystation)
    waystation("credential", "issue", STATION)
    said = waystation("credential", "revoke", STATION)

    assert "will refuse them when it starts" in said.out
    assert len(load_secrets(var_dir).revocations()) == 1
    assert not waystation("credential", "list", STATION).out.rstrip().endswith("\t-")


def test_the_public_keys_for_hardware_hold_nothing_secret(waystation: Waystation, var_dir: Path) -> None:
    shown = waystation("credential", "keys").out

    assert "BEGIN PUBLIC KEY" in shown
    assert "PRIVATE" not in shown


def test_a_token_is_shown_once_and_kept_as_a_hash(
    waystation: Waystation, hub_database: Database, var_dir: Path
) -> None:
    said = waystation("token", "create", "--name", "dashboard", "--scope", "alerts:read", "--area", "3310")

    text = said.out.splitlines()[0]
    with hub_database.read() as connection:
        (row,) = tokens.all_tokens(connection)
        found = tokens.by_secret(connection, text, row.created_ms)
    assert found is not None
    assert (found.scopes, found.area) == (frozenset({"alerts:read"}), "3310")
    # Not by its last underscore, which may be anywhere in a random word.
    assert text[-24:] not in (var_dir / "waystation.sqlite3").read_bytes().decode("latin-1")
    assert "dashboard" in waystation("token", "list").out

    assert waystation("token", "revoke", row.id).code == 0
    assert "revoked" in waystation("token", "list").out
    assert waystation("token", "revoke", row.id).code == 1


def test_a_token_with_an_unknown_right_is_refused(waystation: Waystation) -> None:
    said = waystation("token", "create", "--name", "x", "--scope", "doors:open", "--area", "33")

    assert said.code == 1
    assert "There is no scope doors:open; choose from stations:read" in said.err


def test_a_sign_in_link_works_once_and_all_links_share_one_token(
    waystation: Waystation, hub_database: Database, var_dir: Path
) -> None:
    links = [waystation("token", "link", WAYSTATION_PUBLIC_URL="https://yz.example").out for _ in range(2)]

    assert all(link.startswith("https://yz.example/sign-in?t=") for link in links)
    with hub_database.write() as connection:
        (token,) = tokens.all_tokens(connection)
        secret = links[0].strip().partition("?t=")[2]
        assert tokens.use_sign_in(connection, secret, token.created_ms) == token
        assert tokens.use_sign_in(connection, secret, token.created_ms) is None
    kept = var_dir / "shown-tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {"staff": token.id}


def test_another_key_signs_commands_and_every_device_was_told_of_it_before(
    waystation: Waystation, var_dir: Path
) -> None:
    waystation("db", "init")
    first = load_secrets(var_dir).commands.active

    def step(name: str) -> set[bytes]:
        assert waystation("credential", "rotate", name).code == 0
        return set(verify_keys_from_text(waystation("credential", "keys").out))

    told = step("announce")
    assert load_secrets(var_dir).commands.active.kid == first.kid, "nothing is signed with it yet"
    again = waystation("credential", "rotate", "announce")
    assert (again.code, "is announced already" in again.err) == (1, True)
    assert step("use") == told, "devices need nothing new"
    second = load_secrets(var_dir).commands.active
    assert {first.kid, second.kid} == told
    assert step("forget") == {second.kid}
    assert waystation("credential", "rotate", "forget").code == 1
    assert waystation("credential", "rotate", "use").code == 1
