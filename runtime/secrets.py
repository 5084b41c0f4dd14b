"""Everything secret that a hub needs: made at its first start, kept in files that only its owner reads."""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from domain.errors import WaystationError
from signing.keys import BadKey, KeyRing, SigningKey
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
_ROLES: tuple[Role, ...] = get_args(Role)
_OTHERS = 0o077


class BadSecrets(WaystationError):
    """The key files are missing, damaged, or can be read by others."""


@dataclass(frozen=True, slots=True)
class ClientIds:
    """The gateway's MQTT client ids: who knows one can take its session, so they are never logged."""

    quick: str = field(repr=False)
    bulk: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files in `folder` hold. `broker_passwords` has the MQTT password of each process."""

    folder: Path
    operator: SigningKey
    account: SigningKey
    operator_jwt: str
    system_jwt: str
    commands: KeyRing
    sessions: KeyRing
    webhook_secret: bytes = field(repr=False)
    client_ids: ClientIds
    broker_passwords: dict[Role, str] = field(repr=False)

    def revocations(self) -> dict[str, int]:
        """Users of the broker whose credentials up to an epoch second are refused; read anew each time."""
        text = _read(self.folder / "revocations.json")
        try:
            return {str(name): int(at_s) for name, at_s in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError):
            raise _damaged(self.folder / "revocations.json") from None

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
        with _locked(self.folder):
            revoked = revoke_station(self.account, adcode, station, now_ms, self.revocations())
            _write(self.folder / "revocations.json", json.dumps(revoked, indent=1) + "\n")

    def with_commands(self, ring: KeyRing) -> Secrets:
        """Keep another key ring for commands, after a step of its rotation."""
        with _locked(self.folder):
            _write(self.folder / "commands.json", ring.to_json())
        return replace(self, commands=ring)


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
    _refuse_open_to_others(folder, "700")
    clients = _json(folder / "clients.json")
    try:
        client_ids = ClientIds(str(clients["quick"]), str(clients["bulk"]))
    except (KeyError, TypeError):
        raise _damaged(folder / "clients.json") from None
    return Secrets(
        folder=folder,
        operator=_key(folder / "operator.key"),
        account=_key(folder / "account.key"),
        operator_jwt=_read(folder / "operator.jwt").strip(),
        system_jwt=_read(folder / "system.jwt").strip(),
        commands=_ring(folder / "commands.json"),
        sessions=_ring(folder / "sessions.json"),
        webhook_secret=_raw(folder / "webhook.key"),
        client_ids=client_ids,
        broker_passwords={role: _read(folder / f"{role}.jwt").strip() for role in _ROLES},
    )


def _create(folder: Path, now_ms: int, random_bytes: Callable[[int], bytes]) -> None:
    """Write all files beside the final place and move them there in one step, so that none is missing."""
    unfinished = folder.with_name(f"{FOLDER}.{os.getpid()}.unfinished")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        for name, text in _first_files(now_ms, random_bytes).items():
            _write(unfinished / name, text)
        unfinished.rename(folder)
        _sync_folder(folder.parent)
    except OSError as exc:
        shutil.rmtree(unfinished, ignore_errors=True)
        if folder.is_dir():
            return  # another process was first
        raise BadSecrets(f"The keys cannot be written to {folder}: {exc.strerror}.") from exc
    logger.info("Made the keys of this hub", extra={"action": "keys_created"})


def _first_files(now_ms: int, random_bytes: Callable[[int], bytes]) -> dict[str, str]:
    operator, account, system = (SigningKey(random_bytes(32)) for _ in range(3))
    files = {
        "operator.key": _text(operator.seed),
        "account.key": _text(account.seed),
        "operator.jwt": operator_jwt(operator, system.verify_key, now_ms),
        "system.jwt": account_jwt(operator, system.verify_key, "system", now_ms),
        "commands.json": KeyRing(SigningKey(random_bytes(32))).to_json(),
        "sessions.json": KeyRing(SigningKey(random_bytes(32))).to_json(),
        "webhook.key": _text(random_bytes(32)),
        "clients.json": json.dumps({lane: f"gateway-{random_bytes(16).hex()}" for lane in ("quick", "bulk")}),
        "revocations.json": "{}",
    }
    for role in _ROLES:
        holder = SigningKey(random_bytes(32)).verify_key
        files[f"{role}.jwt"] = user_jwt(account, holder, role, role_permissions(role), now_ms // 1000)
    return {name: text.rstrip("\n") + "\n" for name, text in files.items()}


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, mode 600, on disk before it counts."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change a file in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_open_to_others(path: Path, mode: str) -> None:
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise BadSecrets(f"{path} belongs to another user of this machine; secrets must be your own.")
    if found.st_mode & _OTHERS:
        found_mode = f"{stat.S_IMODE(found.st_mode):o}"
        raise BadSecrets(f"{path} is open to others (mode {found_mode}); close it with: chmod {mode} {path}")


def _read(path: Path) -> str:
    try:
        _refuse_open_to_others(path, "600")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadSecrets(
            f"{path} is missing; bring it back from a backup, or move {path.parent} away to start with new "
            "keys, after which every station needs a new credential."
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise BadSecrets(f"{path} cannot be read: {exc}.") from exc


def _damaged(path: Path) -> BadSecrets:
    return BadSecrets(f"{path} is damaged; bring it back from a backup.")


def _raw(path: Path) -> bytes:
    try:
        raw = base64.b64decode(_read(path).strip(), validate=True)
    except ValueError:
        raise _damaged(path) from None
    if len(raw) != 32:
        raise _damaged(path)
    return raw


def _key(path: Path) -> SigningKey:
    return SigningKey(_raw(path))


def _ring(path: Path) -> KeyRing:
    try:
        return KeyRing.from_json(_read(path))
    except BadKey as exc:
        raise _damaged(path) from exc


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError:
        raise _damaged(path) from None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
