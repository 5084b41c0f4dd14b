"""The command line, run as people run it, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from typer.testing import CliRunner

from runtime.cli import app

STATION = "331002-9001"


class Said(NamedTuple):
    """What a command printed, on which output, and how it ended."""

    code: int
    out: str
    err: str


Waystation = Callable[..., Said]


def run(arguments: tuple[str, ...], settings: dict[str, str]) -> Said:
    """Run one command; an error that is not told in a sentence comes through."""
    result = CliRunner().invoke(app, list(arguments), env=settings)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def add(waystation: Waystation, station: str = STATION, *more: str) -> Said:
    """Add a station."""
    return waystation("station", "add", station, "--name", "我的驿站", *more)
