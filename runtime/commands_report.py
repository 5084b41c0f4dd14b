"""`waystation report`: how stations were used and how well they did."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

import typer

from domain.errors import WaystationError
from runtime.installation import Installation
from runtime.output import moment, say, show_table

_UNITS_H = {"h": 1, "d": 24}
_LONGEST_H = 750 * 24
_AREA = re.compile(r"[0-9]{0,6}|[0-9]{6}-[0-9A-Za-z]{1,16}")
_SAID = {
    "zh": (
        "{from_} 至 {to}，{stations} 个有设备的站点。百分比＝应开放时间内确认可用的时间；未知单列。",
        "最需关注的站点：",
        "还没有小时汇总：courier 在每小时结束 10 分钟后生成。",
    ),
    "en": (
        "{from_} to {to}, {stations} stations with devices. Percent: surely up, of planned time.",
        "Stations that need a look most:",
        "There are no hours yet: the courier rolls them up ten minutes after each has ended.",
    ),
}


class BadQuestion(WaystationError):
    """The report was asked for in a way that makes no sense."""


def report(
    since: Annotated[str, typer.Option(help="How far back, such as 24h, 7d or 90d.")] = "7d",
    area: Annotated[str, typer.Option(help="First digits of a division (3310), or a station.")] = "",
    format_: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
    lang: Annotated[Literal["zh", "en"], typer.Option(help="The words of table and CSV.")] = "zh",
    worst: Annotated[int, typer.Option(min=0, max=1000, help="How many stations, the worst first.")] = 10,
    public: Annotated[
        bool, typer.Option("--public", help="To be published: counties only, and few visits not counted.")
    ] = False,
) -> None:
    """Show use, uptime and health of stations, by county and the worst ones first.

    Example: ./waystation report --since 7d --area 3310
    """
    from api import divisions
    from api.report_table import Report, county_rows, csv_text, report_json, station_rows
    from runtime.first_stations import DIVISIONS
    from storage import audit, utilisation
    from storage.rollups import HOUR_MS, hour_of

    if _AREA.fullmatch(area) is None:
        raise BadQuestion(f"--area {area[:40]!r} is neither the beginning of a division code nor a station.")
    hours = _hours(since)
    here = Installation.from_environment()
    to_ms = hour_of(here.now_ms())
    database = here.database()
    try:
        with database.read() as connection:
            found = utilisation.figures(connection, area, to_ms - hours * HOUR_MS, to_ms)
        if format_ == "csv":
            with database.write() as connection:
                told = {"since": since, "stations": len(found), "public": public}
                audit.note(connection, here.now_ms(), "cli", "report.export", f"area:{area}", "ok", told)
    finally:
        database.close()
    made = Report(area, to_ms - hours * HOUR_MS, to_ms, found, divisions.load(DIVISIONS), public)
    if format_ == "json":
        say(json.dumps(report_json(made, worst), ensure_ascii=False, indent=1))
        return
    if format_ == "csv":
        say(csv_text(made, lang).rstrip("\r\n"))
        return
    head, worst_head, nothing = _SAID[lang]
    say(head.format(from_=moment(made.from_ms), to=moment(made.to_ms), stations=made.total().stations))
    show_table(*county_rows(made, lang), nothing)
    if not public and worst and found:
        say(worst_head)
        show_table(*station_rows(made, lang, worst), nothing)


def _hours(since: str) -> int:
    match = re.fullmatch(r"([0-9]{1,5})([hd])", since, re.ASCII)
    hours = int(match[1]) * _UNITS_H[match[2]] if match else 0
    if not 1 <= hours <= _LONGEST_H:
        raise BadQuestion(f"--since {since[:20]!r} must be a length from 1h to 750d, such as 24h or 7d.")
    return hours
