"""How commands answer: tables for people, tab-separated lines for programs, errors in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text


def say(text: str) -> None:
    """One line or several, as they are."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Why it did not work, on the error output."""
    print(text, file=sys.stderr, flush=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table on a terminal; elsewhere a line of tab-separated values for each row, without a head."""
    lines = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print("\t".join(line))
        return
    if not lines:
        print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console(highlight=False).print(table)


def moment(at_ms: int | None) -> str:
    """A time as people of this machine read it; a dash for none."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    # A device chooses some of these texts: nothing in them may command the terminal.
    return "".join(sign if sign.isprintable() else " " for sign in str(value))
