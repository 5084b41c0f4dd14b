"""`waystation health`: does one part do its work, for whoever watches over processes and containers."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.health import Part, complaint
from runtime.installation import Installation
from runtime.output import complain, say


def health(part: Annotated[Part, typer.Argument(help="The part that is asked after.")]) -> None:
    """Say whether a part does its work now; exit code 0 when it does, 1 when not.

    Example: ./waystation health gateway
    """
    said = complaint(Installation.from_environment(), part)
    if said:
        complain(said)
        raise typer.Exit(1)
    say(f"The {part} works.")
