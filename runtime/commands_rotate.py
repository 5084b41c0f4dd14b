"""`waystation credential rotate`: another key signs commands, and no lock meets one it was not told of."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from runtime.installation import Installation
from runtime.output import say


class Step(StrEnum):
    """The three steps, in their order."""

    ANNOUNCE = "announce"
    USE = "use"
    FORGET = "forget"


def add_to(app: typer.Typer) -> None:
    """Make `rotate` one of the commands about credentials."""
    app.command("rotate")(rotate)


def rotate(step: Annotated[Step, typer.Argument(help="announce, then use, then forget.")]) -> None:
    """Let another key sign commands to locks, in three steps.

    `announce` makes a key that signs nothing yet. Bring `./waystation credential keys` to every device; then
    `use` it. Devices still take the old one, until `forget` and another round of `credential keys`.

    Example: ./waystation credential rotate announce
    """
    from signing.keys import BadKey, SigningKey
    from storage import audit

    here = Installation.from_environment()
    secrets = here.secrets()
    ring = secrets.commands
    if step is Step.ANNOUNCE:
        if ring.announced is not None:
            raise BadKey(f"The key {ring.announced.kid.hex()} is announced already: `credential rotate use`.")
        ring = ring.announce(SigningKey(os.urandom(32)))
        next_ = (
            "Another key is announced. Bring `./waystation credential keys` to every device, then:\n"
            "./waystation credential rotate use"
        )
    elif step is Step.USE:
        ring = ring.rotate()
        next_ = (
            "The announced key signs from the gateway's next start on: start the gateway again.\n"
            "When the old one should count no more: ./waystation credential rotate forget"
        )
    else:
        if not ring.retired:
            raise BadKey(
                "No key is retired, so there is none to forget: `credential rotate use` retires one."
            )
        for key in ring.retired:
            ring = ring.forget(key.kid)
        next_ = (
            "The old key is forgotten here; a device takes it until it has `./waystation credential keys`."
        )
    database = here.database()
    try:
        with database.write() as connection:
            audit.note(connection, here.now_ms(), "cli", "credential.rotate", step.value, "ok")
            secrets.with_commands(ring)
    finally:
        database.close()
    say(next_)
