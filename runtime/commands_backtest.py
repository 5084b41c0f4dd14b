"""`waystation rules backtest`: what a new rulebook would have raised, beside the one in force."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import WaystationError
from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from rules.tally import Example, Tally
    from storage.database import Database

_LENGTH = re.compile(r"([0-9]{1,5})([mhd])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AREA = re.compile(r"[0-9]{0,6}|[0-9]{6}-[0-9A-Za-z]{1,16}")
_LONGEST_MS = 366 * 86_400_000


class BadQuestion(WaystationError):
    """A back-test cannot be made as asked."""


def backtest(
    rules: Annotated[Path, typer.Option(help="The new rulebook in YAML.")],
    since: Annotated[str, typer.Option(help="How far back: 90m, 12h, 7d.")] = "7d",
    area: Annotated[str, typer.Option(help="First digits of a division code, such as 3310.")] = "",
    station: Annotated[str | None, typer.Option(help="Only this station.")] = None,
    own: Annotated[bool, typer.Option(help="The file is --area's own rulebook.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Replay what is stored through the rulebook in force and a new one: what would each have raised?

    Nothing is changed, and nobody is told. Latched alerts end when a person ended them then.

    Example: ./waystation rules backtest --rules new.yaml --since 7d --area 3310
    """
    from rules.books import BookText, read_books, severities_of, with_new
    from rules.tally import as_data
    from runtime.first_rulebook import read_text
    from runtime.holidays import calendar
    from storage.backtests import Period, books_in_force
    from storage.parallel_backtest import backtest_on_all_cores

    here = Installation.from_environment()
    length_ms = length_of(since)
    if not _AREA.fullmatch(area):
        raise BadQuestion(f"--area {area[:40]!r} must be the first digits of a division code, such as 3310.")
    if own and not area:
        raise BadQuestion("--own needs --area: say whose own rulebook the file is.")
    text = BookText(read_text(rules), 0, str(rules), area if own else "")
    database = here.database()
    try:
        old = books_in_force(database)
        new = with_new(old, text)
        severities = severities_of(read_books(old), read_books(new))
        if station is not None:
            _know(database, station)
        now_ms = here.now_ms()
        period = Period(now_ms - length_ms, now_ms, area, station)
        tally = backtest_on_all_cores(
            here.settings.store_url,
            database,
            old,
            new,
            period,
            progress=_progress(as_json),
            at=here.influx_at() if here.settings.series == "influx" else None,
            calendar=calendar(here.settings),
        )
    finally:
        database.close()
    if as_json:
        say(json.dumps(as_data(tally, severities, period.from_ms), ensure_ascii=False, indent=2))
        return
    _show(tally, severities, period.from_ms)


def length_of(text: str) -> int:
    """`90m`, `12h`, `7d` in milliseconds; BadQuestion for anything else."""
    match = _LENGTH.fullmatch(text)
    length_ms = int(match[1]) * _UNIT_MS[match[2]] if match else 0
    if not 0 < length_ms <= _LONGEST_MS:
        raise BadQuestion(f"--since {text[:20]!r} must be a length of time such as 90m, 12h or 7d.")
    return length_ms


def _know(database: Database, station: str) -> None:
    from storage import stations

    with database.read() as connection:
        stations.get_station(connection, station)


def _progress(quiet: bool) -> Any:
    shown = sys.stderr.isatty() and not quiet

    def tell(done: int, of: int) -> None:
        if shown:
            end = "\r" if done < of else "\r\033[K"
            print(f"{done} of {of} stations", end=end, file=sys.stderr, flush=True)

    return tell


def _show(tally: Tally, severities: Mapping[str, str], from_ms: int) -> None:
    say(
        f"{tally.stations} stations, {tally.devices} devices, {tally.messages:,} messages "
        f"from {moment(from_ms)} to {moment(tally.end_ms)}."
    )
    rows = [row for row in tally.rows(severities) if row.most or row.before.failed or row.after.failed]
    table: list[tuple[object, ...]] = []
    for row in rows:
        table.append(
            (
                row.code, row.severity, "all", row.before.alerts.total(), row.after.alerts.total(),
                _signed(row.change), _lasting(row.before.open_ms), _lasting(row.after.open_ms),
                _failed(row.before.failed, row.after.failed),
            )
        )  # fmt: skip
        table += [
            ("", "", adcode, before, after, _signed(after - before), "", "", "")
            for adcode, before, after in row.counties()
        ]
    show_table(
        ("rule", "severity", "county", "in force", "new", "change", "open in force", "open new", "failed"),
        table,
        "Neither rulebook would have raised anything.",
    )
    for row in rows:
        for title, examples in (("in force", row.before.examples), ("new", row.after.examples)):
            for example in examples:
                say(f"{row.code} ({title}): {_told(example)}")
    say(f"{tally.summary()}.")


def _told(example: Example) -> str:
    device = example.device
    where = device.station if device.kind == "station" else f"{device.station} {device.short}"
    part = f" part {example.part}" if example.part else ""
    values = ", ".join(f"{name}={_plain(value)}" for name, value in example.values.items())
    lasted = (
        "still open at the end"
        if example.ended_ms is None
        else f"for {_lasting(example.ended_ms - example.begun_ms)}"
    )
    return f"{where}{part}, {moment(example.begun_ms)}, {lasted}{': ' + values if values else ''}"


def _plain(value: object) -> str:
    # A device chooses some of these texts: nothing in them may command the terminal.
    return "".join(sign if sign.isprintable() else " " for sign in str(value))


def _signed(number: int) -> str:
    return f"{number:+d}" if number else "0"


def _failed(before: int, after: int) -> str:
    return f"{before}/{after}" if before or after else ""


def _lasting(length_ms: int) -> str:
    seconds = max(0, length_ms) // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86_400:.1f} d"
