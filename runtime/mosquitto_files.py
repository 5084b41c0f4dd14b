"""The folder that Mosquitto runs in: the shipped configuration, and who may come in."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import WaystationError
from runtime.broker_address import prepare_certificate
from runtime.broker_outside import replace
from runtime.certificate import CertificateFiles, files_of
from runtime.installation import Installation
from runtime.secrets import Secrets
from runtime.settings import TREE
from runtime.station_passwords import StationLogin, station_logins
from signing.mosquitto_password import password_line
from storage.database import Database

SHIPPED = TREE / "deploy" / "mosquitto"
FOLDER = "mosquitto"
_KEPT_WHEN_THERE = ("mosquitto.conf", "run.sh")


class NotExported(WaystationError):
    """Mosquitto's files cannot be written; the message says where."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How many speakers may come in, and which must get a new credential first."""

    speakers: int
    left_out: tuple[str, ...]
    reloaded: bool


def export(folder: Path, secrets: Secrets, logins: Sequence[StationLogin], own: CertificateFiles) -> Exported:
    """Write passwords, rights and certificate, each file in one step, and tell a running Mosquitto.

    A configuration that is there already stays as it is.
    """
    good = [login for login in logins if login.password is not None]
    left_out = tuple(str(login.speaker) for login in logins if login.password is None)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _KEPT_WHEN_THERE:
            if not (folder / name).exists():
                shutil.copy(SHIPPED / name, folder / name)
        key = secrets.account.seed
        processes = {str(role): password for role, password in secrets.broker_passwords.items()}
        changed = [
            _write(folder / "hub.passwords", _lines(processes, key)),
            _write(folder / "hub.acl", (SHIPPED / "hub.acl").read_text("utf-8")),
            _write(
                folder / "stations.passwords",
                _lines({login.username: str(login.password) for login in good}, key),
            ),
            _write(folder / "stations.acl", _station_rights(good)),
            _write(folder / "ca.pem", own.authority.read_text("ascii")),
            _write(folder / "server.key", own.server.key.read_text("ascii")),
            _write(folder / "server.pem", own.server.certificate.read_text("ascii")),
        ]
    except OSError as exc:
        raise NotExported(f"{folder} cannot be written: {exc.strerror or exc}.") from exc
    return Exported(len(good), left_out, any(changed) and reload(folder))


def export_all(here: Installation, database: Database, folder: Path | None = None) -> Exported:
    """Write what this installation's stations and processes need, at first or after a change.

    `folder` is `mosquitto` in `var_dir` otherwise.
    """
    prepare_certificate(here)
    secrets = here.secrets()
    with database.read() as connection:
        logins = station_logins(connection, secrets)
    return export(folder or here.var_dir / FOLDER, secrets, logins, files_of(here.var_dir))


def reload(folder: Path) -> bool:
    """Tell the Mosquitto that runs in this folder to read its files again; False when none is seen.

    One in a container is not seen from outside: its run.sh looks at the files itself.
    """
    try:
        pid = int((folder / "mosquitto.pid").read_text(encoding="ascii"))
        here = Path(f"/proc/{pid}/cwd").resolve() == folder.resolve()
        if not here or b"mosquitto" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def _lines(passwords: Mapping[str, str], key: bytes) -> str:
    return "".join(f"{password_line(name, password, key)}\n" for name, password in passwords.items())


def _station_rights(logins: Sequence[StationLogin]) -> str:
    """The shipped patterns, and the same for devices whose user name is not their station's."""
    text = (SHIPPED / "stations.acl").read_text("utf-8")
    for login in logins:
        station = login.speaker.station
        if login.username != station:
            branch = f"ws/{login.adcode}/{station}"
            text += f"\nuser {login.username}\n"
            text += f"topic write {branch}/quick/#\ntopic write {branch}/bulk/#\ntopic read {branch}/down/#\n"
    return text


def _write(path: Path, text: str) -> bool:
    """Replace a file; False when it says so already."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    replace(path, text)
    return True
