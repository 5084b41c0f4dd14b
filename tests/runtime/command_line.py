"""The command line, run as people run it, in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from typer.main import get_command
from typer.testing import CliRunner

from runtime.cli import app

STATION = "331002-9001"
COMMANDS = get_command(app)


class Said(NamedTuple):
    """What a command printed, on which output, and how it ended."""

    code: int
    out: str
    err: str


Waystation = Callable[..., Said]


def run(arguments: tuple[str, ...], settings: dict[str, str]) -> Said:
    """Run one command; an error that is not told in a sentence comes through."""
    code = 0
    with CliRunner().isolation(env=settings) as (out, err, _):
        try:
            COMMANDS.main(list(arguments), prog_name="waystation")
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
        return Said(code, out.getvalue().decode(), err.getvalue().decode())


def add(waystation: Waystation, station: str = STATION, *more: str) -> Said:
    """Add a station."""
    return waystation("station", "add", station, "--name", "我的驿站", *more)
