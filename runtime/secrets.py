"""Everything secret that a hub needs: made at its first start, kept in files that only its owner reads."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import get_args

from runtime.key_files import (
    BadSecrets,
    damaged,
    elsewhere,
    encoded,
    key,
    locked,
    parsed,
    raw,
    read,
    refuse_open_to_others,
    ring,
    sync_folder,
    write,
)
from signing.keys import BadKey, KeyRing, SigningKey, VerifyKey, verify_keys_from_text
from signing.station_credential import (
    Role,
    account_jwt,
    issue_station,
    operator_jwt,
    revoke_station,
    role_permissions,
    user_jwt,
)

logger = logging.getLogger(__name__)

FOLDER = "keys"
COMMANDS = "commands.json"
COMMANDS_PUBLIC = "commands.pub"
_ROLES: tuple[Role, ...] = get_args(Role)
_ASKED_FOR = {
    "operator.key": "operator",
    "account.key": "account",
    "operator.jwt": "operator_jwt",
    "system.jwt": "system_jwt",
    COMMANDS: "commands",
    "sessions.json": "sessions",
    "webhook.key": "webhook_secret",
    "clients.json": "client_ids",
    **{f"{role}.jwt": "broker_passwords" for role in _ROLES},
}
KEYS = frozenset(_ASKED_FOR)
"""The files that make up the keys of a hub."""


@dataclass(frozen=True, slots=True)
class ClientIds:
    """The gateway's MQTT client ids: who knows one can take its session, so they are never logged."""

    quick: str = field(repr=False)
    bulk: str = field(repr=False)


class Secrets:
    """What the files in `folder` hold; each is read when it is first asked for.

    A part of the hub may have been given only some of them (`runtime.key_shares`): asking for another one
    raises BadSecrets, as asking for one that is missing, damaged or open to others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Secrets({str(self.folder)!r})"

    @cached_property
    def operator(self) -> SigningKey:
        """Signs the account for the broker."""
        return key(self.folder / "operator.key")

    @cached_property
    def account(self) -> SigningKey:
        """Signs who may connect to the broker."""
        return key(self.folder / "account.key")

    @cached_property
    def operator_jwt(self) -> str:
        """What the broker trusts."""
        return read(self.folder / "operator.jwt").strip()

    @cached_property
    def system_jwt(self) -> str:
        """The broker's own account."""
        return read(self.folder / "system.jwt").strip()

    @cached_property
    def commands(self) -> KeyRing:
        """Signs commands to locks."""
        return ring(self.folder / COMMANDS)

    @cached_property
    def command_verify_keys(self) -> dict[bytes, VerifyKey]:
        """What locks check commands with; also where the ring itself is elsewhere."""
        if COMMANDS not in elsewhere(self.folder):
            return self.commands.verify_keys()
        try:
            return verify_keys_from_text(read(self.folder / COMMANDS_PUBLIC))
        except BadKey:
            raise damaged(self.folder / COMMANDS_PUBLIC) from None

    @cached_property
    def sessions(self) -> KeyRing:
        """Signs sessions of people."""
        return ring(self.folder / "sessions.json")

    @cached_property
    def webhook_secret(self) -> bytes:
        """Signs what is posted."""
        return raw(self.folder / "webhook.key")

    @cached_property
    def client_ids(self) -> ClientIds:
        """The gateway's."""
        clients = parsed(self.folder / "clients.json")
        try:
            return ClientIds(str(clients["quick"]), str(clients["bulk"]))
        except (KeyError, TypeError):
            raise damaged(self.folder / "clients.json") from None

    @cached_property
    def broker_passwords(self) -> dict[Role, str]:
        """The MQTT password of each process whose file is here."""
        others = elsewhere(self.folder)
        return {
            role: read(self.folder / f"{role}.jwt").strip() for role in _ROLES if f"{role}.jwt" not in others
        }

    def revocations(self) -> dict[str, int]:
        """Users of the broker whose credentials up to an epoch second are refused; read anew each time."""
        text = read(self.folder / "revocations.json")
        try:
            return {str(name): int(at_s) for name, at_s in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError):
            raise damaged(self.folder / "revocations.json") from None

    def hub_account_jwt(self, now_ms: int) -> str:
        """The account's statement for the broker, with the revocations of this moment."""
        name, account = "waystation", self.account.verify_key
        return account_jwt(
            self.operator, account, name, now_ms, jetstream=True, revoked_at_s=self.revocations()
        )

    def issue_station(self, adcode: str, station: str, now_ms: int) -> str:
        """The MQTT password of a station; shown once, never stored."""
        return issue_station(self.account, adcode, station, now_ms, self.revocations())

    def revoke_station(self, adcode: str, station: str, now_ms: int) -> None:
        """Refuse every password of this station issued so far, once the broker has reloaded."""
        with locked(self.folder):
            revoked = revoke_station(self.account, adcode, station, now_ms, self.revocations())
            write(self.folder / "revocations.json", json.dumps(revoked, indent=1) + "\n")

    def with_commands(self, ring: KeyRing) -> Secrets:
        """Keep another key ring for commands, after a step of its rotation."""
        with locked(self.folder):
            write(self.folder / COMMANDS, ring.to_json())
        return Secrets(self.folder)


def load_or_create_secrets(
    var_dir: Path, now_ms: int, random_bytes: Callable[[int], bytes] = os.urandom
) -> Secrets:
    """Read `var_dir/keys`, made first when it is not there; raise BadSecrets with one sentence."""
    folder = var_dir / FOLDER
    if not folder.exists():
        _create(folder, now_ms, random_bytes)
    return load_secrets(var_dir)


def load_secrets(var_dir: Path) -> Secrets:
    """Read `var_dir/keys`; raise BadSecrets when it is missing, damaged or open to others."""
    folder = var_dir / FOLDER
    if not folder.is_dir():
        raise BadSecrets(f"There are no keys in {folder} yet; the first start of Waystation makes them.")
    refuse_open_to_others(folder, "700")
    secrets = Secrets(folder)
    others = elsewhere(folder)
    for name, asked in _ASKED_FOR.items():
        if name not in others:
            getattr(secrets, asked)
    return secrets


def _create(folder: Path, now_ms: int, random_bytes: Callable[[int], bytes]) -> None:
    """Write all files beside the final place and move them there in one step, so that none is missing."""
    unfinished = folder.with_name(f"{FOLDER}.{os.getpid()}.unfinished")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        for name, text in _first_files(now_ms, random_bytes).items():
            write(unfinished / name, text)
        unfinished.rename(folder)
        sync_folder(folder.parent)
    except OSError as exc:
        shutil.rmtree(unfinished, ignore_errors=True)
        if folder.is_dir():
            return  # another process was first
        raise BadSecrets(f"The keys cannot be written to {folder}: {exc.strerror}.") from exc
    logger.info("Made the keys of this hub", extra={"action": "keys_created"})


def _first_files(now_ms: int, random_bytes: Callable[[int], bytes]) -> dict[str, str]:
    operator, account, system = (SigningKey(random_bytes(32)) for _ in range(3))
    files = {
        "operator.key": encoded(operator.seed),
        "account.key": encoded(account.seed),
        "operator.jwt": operator_jwt(operator, system.verify_key, now_ms),
        "system.jwt": account_jwt(operator, system.verify_key, "system", now_ms),
        "commands.json": KeyRing(SigningKey(random_bytes(32))).to_json(),
        "sessions.json": KeyRing(SigningKey(random_bytes(32))).to_json(),
        "webhook.key": encoded(random_bytes(32)),
        "clients.json": json.dumps({lane: f"gateway-{random_bytes(16).hex()}" for lane in ("quick", "bulk")}),
        "revocations.json": "{}",
    }
    for role in _ROLES:
        holder = SigningKey(random_bytes(32)).verify_key
        files[f"{role}.jwt"] = user_jwt(account, holder, role, role_permissions(role), now_ms // 1000)
    return {name: text.rstrip("\n") + "\n" for name, text in files.items()}
