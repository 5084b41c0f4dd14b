"""The folder that Mosquitto runs in: the shipped configuration, and who may come in."""

from __future__ import annotations

import os
import pwd
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

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
CONFIGURATION, SCRIPT = "mosquitto.conf", "run.sh"
_SHIPPED_PORTS = (8683, 8883)


class NotExported(WaystationError):
    """Mosquitto's files cannot be written; the message says where."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Mosquitto listens: for the hub's own processes, and for stations."""

    hub: int
    stations: int


@dataclass(frozen=True, slots=True)
class Exported:
    """How many speakers may come in, and which must get a new credential first.

    `elsewhere` has the ports that the settings name and the configuration does not.
    """

    speakers: int
    left_out: tuple[str, ...]
    elsewhere: tuple[int, ...]
    reloaded: bool


def export(
    folder: Path, ports: Ports, secrets: Secrets, logins: Sequence[StationLogin], own: CertificateFiles
) -> Exported:
    """Write passwords, rights and certificate, each file in one step, and tell a running Mosquitto.

    A configuration that is there already stays as it is. Raises NotExported.
    """
    good = [login for login in logins if login.password is not None]
    left_out = tuple(str(login.speaker) for login in logins if login.password is None)
    try:
        for each in (folder, folder / "data"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = folder / CONFIGURATION
        if not configuration.exists():
            replace(configuration, _configuration(ports))
        elsewhere = _not_in(configuration.read_text("utf-8"), ports)
        _write(folder / SCRIPT, (SHIPPED / SCRIPT).read_text("utf-8"))
        (folder / SCRIPT).chmod(0o700)
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
    return Exported(len(good), left_out, elsewhere, any(changed) and reload(folder))


def export_all(here: Installation, database: Database) -> Exported:
    """Write what this installation's stations and processes need, at first or after a change."""
    prepare_certificate(here)
    secrets = here.secrets()
    with database.read() as connection:
        logins = station_logins(connection, secrets)
    ports = Ports(here.settings.mqtt_port, here.settings.mqtt_tls_port)
    return export(here.var_dir / FOLDER, ports, secrets, logins, files_of(here.var_dir))


def become_mosquitto(here: Installation) -> NoReturn:
    """Fill the folder, and go on as the script that runs Mosquitto in it."""
    database = here.database()
    try:
        export_all(here, database)
    finally:
        database.close()
    script = here.var_dir.resolve() / FOLDER / SCRIPT
    os.execv(script, [str(script)])  # noqa: S606


def renew(here: Installation, database: Database) -> bool:
    """Bring a certificate that ends soon, or was made again, to Mosquitto; True when there was one."""
    prepare_certificate(here)
    shown, own = here.var_dir / FOLDER / "server.pem", files_of(here.var_dir).server.certificate
    if not shown.exists() or shown.read_bytes() == own.read_bytes():
        return False
    export_all(here, database)
    return True


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


def _configuration(ports: Ports) -> str:
    """The shipped one with these ports; whoever starts it, it runs as the user whose files these are."""
    text = (SHIPPED / CONFIGURATION).read_text("utf-8")
    for shipped, port in zip(_SHIPPED_PORTS, (ports.hub, ports.stations), strict=True):
        text = text.replace(f"listener {shipped}\n", f"listener {port}\n")
    try:
        return text.replace("user mosquitto\n", f"user {pwd.getpwuid(os.geteuid()).pw_name}\n")
    except KeyError:
        return text  # a user without a name, so not root: then the line means nothing


def _not_in(configuration: str, ports: Ports) -> tuple[int, ...]:
    listeners = {int(port) for port in re.findall(r"(?m)^\s*listener\s+(\d+)", configuration)}
    return tuple(port for port in (ports.hub, ports.stations) if port not in listeners)


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
