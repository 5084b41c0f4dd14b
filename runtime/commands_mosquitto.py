"""`waystation credential ca` and `mosquitto`: files for devices, and for a broker that is not embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runtime.installation import Installation
from runtime.output import complain, say

if TYPE_CHECKING:
    from runtime.mosquitto_files import Exported
    from storage.database import Database


def ca() -> None:
    """Show the file that a device needs to trust this hub, its fingerprint, and the names it is good for.

    The authority and the certificate are made when there are none yet.

    Example: ./waystation credential ca
    """
    from runtime import certificate
    from runtime.broker_address import prepare_certificate
    from runtime.output import moment

    here = Installation.from_environment()
    prepare_certificate(here)
    files = certificate.files_of(here.var_dir)
    server = files.server.certificate
    say(f"file         {files.authority}")
    say(f"sha-256      {certificate.fingerprint(files.authority)}")
    say(f"ends         {moment(certificate.ends_ms(files.authority))}")
    say(f"server       {server}, until {moment(certificate.ends_ms(server))}, renewed before")
    say(f"good for     {', '.join(certificate.names_in(server))}")


def mosquitto() -> None:
    """Write the folder in which Mosquitto 2 runs for this hub: passwords (hashed), rights, certificate.

    Where WAYSTATION_BROKER is mosquitto, every change of who may come in writes it again. A
    mosquitto.conf that is there stays as it is.

    Example: ./waystation credential mosquitto && var/mosquitto/run.sh
    """
    from runtime.mosquitto_files import FOLDER, export_all

    here = Installation.from_environment()
    database = here.database()
    try:
        done = export_all(here, database)
    finally:
        database.close()
    say(f"{here.var_dir / FOLDER}: {done.speakers} speakers and the hub's own processes may come in.")
    _tell_problems(done)
    if done.reloaded:
        say("The Mosquitto that runs there was told.")


def tell_mosquitto(here: Installation, database: Database) -> None:
    """After a change of who may come in, where the broker is Mosquitto."""
    from runtime.mosquitto_files import export_all

    if here.settings.broker == "mosquitto":
        _tell_problems(export_all(here, database))


def _tell_problems(done: Exported) -> None:
    for speaker in done.left_out:
        complain(f"The credential of {speaker} was made by another version: issue it a new one.")
    for port in done.elsewhere:
        complain(
            f"mosquitto.conf there has no listener on port {port}, which the settings name: "
            "change one of them, or remove the file and run this again."
        )


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    app.command()(ca)
    app.command()(mosquitto)
