"""`waystation credential ca` and `mosquitto`: files for devices, and for a broker that is not embedded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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


def mosquitto(
    folder: Annotated[
        Path | None, typer.Option(help="Where; otherwise mosquitto in WAYSTATION_VAR_DIR.")
    ] = None,
) -> None:
    """Write a folder in which Mosquitto 2 runs for this hub: passwords (hashed), rights, certificate.

    With WAYSTATION_BROKER=mosquitto, `issue` and `revoke` write it again. Start it with its run.sh.

    Example: ./waystation credential mosquitto && var/mosquitto/run.sh var/mosquitto
    """
    from runtime.mosquitto_files import FOLDER, export_all

    here = Installation.from_environment()
    database = here.database()
    try:
        done = export_all(here, database, folder)
    finally:
        database.close()
    where = folder or here.var_dir / FOLDER
    say(f"{where}: {done.speakers} speakers and the hub's own processes may come in.")
    _tell_left_out(done)
    if done.reloaded:
        say("The Mosquitto that runs there was told.")


def tell_mosquitto(here: Installation, database: Database) -> None:
    """After a change of who may come in, where the broker is Mosquitto."""
    from runtime.mosquitto_files import export_all

    if here.settings.broker == "mosquitto":
        _tell_left_out(export_all(here, database))


def _tell_left_out(done: Exported) -> None:
    for speaker in done.left_out:
        complain(f"The credential of {speaker} was made by another version: issue it a new one.")


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    app.command()(ca)
    app.command()(mosquitto)
