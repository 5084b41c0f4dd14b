"""Each part of the hub gets the keys that it works with, and can read no other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.influx_token import FILE as INFLUX_TOKEN
from runtime.influx_token import keep_token
from runtime.key_files import BadSecrets
from runtime.key_shares import SHARES, share_out
from runtime.secrets import KEYS, Secrets, load_or_create_secrets, load_secrets
from storage.influx_at import InfluxAt

NOW_MS = 1_795_000_000_000
AT = InfluxAt("http://influxdb:8086", "waystation", "waystation", "all-rights")
WORK = {
    "broker": ("operator", "operator_jwt", "system_jwt", "account", "command_verify_keys"),
    "gateway": ("commands", "client_ids", "command_verify_keys"),
    "api": ("sessions",),
    "courier": (),
    "sim": ("account", "command_verify_keys"),
}
EVERYTHING = sorted({name for names in WORK.values() for name in names} | {"webhook_secret"})


@pytest.fixture
def whole(tmp_path: Path) -> Secrets:
    whole = load_or_create_secrets(tmp_path / "hub", NOW_MS)
    keep_token(tmp_path / "hub", AT, "narrow")
    return whole


def shared_out(tmp_path: Path) -> Path:
    share_out(tmp_path / "hub", tmp_path / "parts")
    return tmp_path / "parts"


@pytest.mark.parametrize("part", list(WORK))
def test_a_part_can_do_its_work_and_nothing_else(whole: Secrets, tmp_path: Path, part: str) -> None:
    mine = load_secrets(shared_out(tmp_path) / part)

    for name in EVERYTHING:
        if name in WORK[part]:
            assert getattr(mine, name)
        else:
            with pytest.raises(BadSecrets, match="with another part of this hub"):
                getattr(mine, name)
    passwords = {"broker": {"gateway", "api", "courier"}, "gateway": {"gateway"}, "api": {"api"}}
    assert set(mine.broker_passwords) == passwords.get(part, set())


def test_what_signs_commands_and_sessions_is_in_one_share_each(whole: Secrets, tmp_path: Path) -> None:
    parts = shared_out(tmp_path)
    for name, holder in (("commands.json", "gateway"), ("sessions.json", "api"), ("clients.json", "gateway")):
        assert [path.parts[-3] for path in parts.glob(f"*/keys/{name}")] == [holder]
    secret = (tmp_path / "hub" / "keys" / "commands.json").read_bytes()
    holders = {path.parts[-3] for path in parts.glob("*/keys/*") if path.read_bytes() == secret}
    assert holders == {"gateway"}


def test_the_simulator_knows_what_locks_check_with(whole: Secrets, tmp_path: Path) -> None:
    assert load_secrets(shared_out(tmp_path) / "sim").command_verify_keys == whole.commands.verify_keys()


def test_only_who_reads_or_writes_readings_has_the_token_of_influxdb(whole: Secrets, tmp_path: Path) -> None:
    parts = shared_out(tmp_path)

    assert {path.parts[-3] for path in parts.glob(f"*/keys/{INFLUX_TOKEN}")} == {"api", "courier"}


def test_shares_are_closed_to_others(whole: Secrets, tmp_path: Path) -> None:
    for path in shared_out(tmp_path).glob("*/keys"):
        assert path.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


def test_a_second_time_brings_back_what_the_broker_knows_of_revocations(
    whole: Secrets, tmp_path: Path
) -> None:
    parts = shared_out(tmp_path)
    load_secrets(parts / "broker").revoke_station("331002", "331002-0001", NOW_MS)
    assert not whole.revocations()
    share_out(tmp_path / "hub", parts)

    revoked = load_secrets(parts / "broker").revocations()
    assert len(revoked) == 1
    assert whole.revocations() == load_secrets(parts / "sim").revocations() == revoked


def test_what_is_not_a_parts_business_any_more_is_taken_away(whole: Secrets, tmp_path: Path) -> None:
    parts = shared_out(tmp_path)
    left = parts / "sim" / "keys" / "commands.json"
    left.write_bytes((tmp_path / "hub" / "keys" / "commands.json").read_bytes())
    share_out(tmp_path / "hub", parts)

    assert not left.exists()


def test_a_share_cannot_be_shared_out_and_a_missing_key_is_named(whole: Secrets, tmp_path: Path) -> None:
    parts = shared_out(tmp_path)
    with pytest.raises(BadSecrets, match=r"is only a share, without account\.key"):
        share_out(parts / "gateway", tmp_path / "more")
    (parts / "gateway" / "keys" / "commands.json").unlink()
    with pytest.raises(BadSecrets, match=r"commands\.json is missing; bring it back from a backup"):
        load_secrets(parts / "gateway")


def test_every_key_has_a_part_but_the_one_that_nobody_works_with() -> None:
    shared = {name for names in SHARES.values() for name in names}

    assert KEYS - shared == {"webhook.key"}
