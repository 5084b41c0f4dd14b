"""Secrets are made once, differ between hubs, and are not read when others could read them too."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from runtime.key_files import BadSecrets
from runtime.secrets import load_or_create_secrets, load_secrets
from signing.keys import SigningKey
from signing.station_credential import nkey, read_jwt, station_user

NOW_MS = 1_795_000_000_000


def files_of(var_dir: Path) -> list[Path]:
    return sorted((var_dir / "keys").iterdir())


def test_the_first_start_makes_everything_and_the_next_reads_the_same(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path / "var", NOW_MS)
    first = {path.name: path.read_bytes() for path in files_of(tmp_path / "var")}
    load_or_create_secrets(tmp_path / "var", NOW_MS + 1)
    assert {path.name: path.read_bytes() for path in files_of(tmp_path / "var")} == first
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["keys"]


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path, NOW_MS)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in files_of(tmp_path)} == {0o600}


def test_only_the_owner_can_read_the_files_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_secrets(tmp_path, NOW_MS)
    finally:
        os.umask(before)
    load_secrets(tmp_path)


def test_two_hubs_share_no_secret(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path / "one", NOW_MS)
    load_or_create_secrets(tmp_path / "two", NOW_MS)
    for one, two in zip(files_of(tmp_path / "one"), files_of(tmp_path / "two"), strict=True):
        assert one.name == two.name
        if one.name != "revocations.json":
            assert one.read_text() != two.read_text()


def test_client_ids_are_128_bit_words_without_a_dot(tmp_path: Path) -> None:
    ids = load_or_create_secrets(tmp_path, NOW_MS).client_ids
    assert ids.quick != ids.bulk
    for client_id in (ids.quick, ids.bulk):
        assert "." not in client_id
        assert len(bytes.fromhex(client_id.removeprefix("gateway-"))) == 16


def test_no_secret_shows_in_the_repr_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = load_or_create_secrets(tmp_path, NOW_MS)
    shown = repr(secrets) + caplog.text
    hidden = [secrets.client_ids.quick, secrets.client_ids.bulk, *secrets.broker_passwords.values()]
    hidden += [
        repr(raw)[2:-1] for raw in (secrets.operator.seed, secrets.account.seed, secrets.webhook_secret)
    ]
    assert not [secret for secret in hidden if secret in shown]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create_secrets(tmp_path, NOW_MS)
    for path in files_of(tmp_path):
        path.chmod(mode)
        with pytest.raises(BadSecrets, match=f"is open to others .mode {mode:o}.; close it with: chmod 600"):
            load_secrets(tmp_path).revocations()
        path.chmod(0o600)


def test_a_folder_that_others_can_open_is_refused(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path, NOW_MS)
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(BadSecrets, match="chmod 700"):
        load_secrets(tmp_path)


def test_a_missing_or_damaged_file_is_named_and_never_made_anew(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path, NOW_MS)
    for path in files_of(tmp_path):
        kept = path.read_text()
        path.unlink()
        with pytest.raises(BadSecrets, match=f"{path.name} is missing"):
            load_or_create_secrets(tmp_path, NOW_MS).revocations()
        path.touch(mode=0o600)
        path.write_text(kept)
    for name in ("account.key", "webhook.key", "commands.json", "clients.json", "revocations.json"):
        path = tmp_path / "keys" / name
        kept = path.read_text()
        path.write_text("[]")
        with pytest.raises(BadSecrets, match=f"{name} is damaged"):
            load_secrets(tmp_path).revocations()
        path.write_text(kept)


def test_without_keys_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadSecrets, match="no keys"):
        load_secrets(tmp_path)


def test_an_unwritable_place_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, not a folder")
    with pytest.raises(BadSecrets, match="cannot be written"):
        load_or_create_secrets(tmp_path / "var", NOW_MS)


def test_a_start_that_broke_off_leaves_nothing_that_counts(tmp_path: Path) -> None:
    asked: list[int] = []

    def power_cut(size: int) -> bytes:
        asked.append(size)
        if len(asked) == 5:
            raise KeyboardInterrupt
        return os.urandom(size)

    with pytest.raises(KeyboardInterrupt):
        load_or_create_secrets(tmp_path, NOW_MS, power_cut)
    assert not (tmp_path / "keys").exists()
    load_or_create_secrets(tmp_path, NOW_MS)


def test_the_steps_of_a_rotation_are_kept(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path, NOW_MS)
    secrets.with_commands(secrets.commands.announce(SigningKey(b"n" * 32)).rotate())
    again = load_secrets(tmp_path)
    assert again.commands.active.seed == b"n" * 32
    assert secrets.commands.active.kid in again.commands.verify_keys()


def test_revoking_is_kept_and_a_new_credential_is_issued_after_it(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path, NOW_MS)
    secrets.revoke_station("331002", "331002-0001", NOW_MS)
    user = nkey("user", station_user(secrets.account, "331002", "331002-0001"))
    assert load_secrets(tmp_path).revocations() == {user: NOW_MS // 1000}
    fresh = read_jwt(secrets.issue_station("331002", "331002-0001", NOW_MS), secrets.account.verify_key)
    assert fresh["iat"] == NOW_MS // 1000 + 1
    assert json.loads((tmp_path / "keys" / "revocations.json").read_text()) == {user: NOW_MS // 1000}
