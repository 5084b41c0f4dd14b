"""What a new rulebook would have raised in the stations of an area, beside the one in force."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import anyio
from anyio import to_process, to_thread
from fastapi import APIRouter

from api import shapes_backtest as shapes
from api.areas import narrowed
from api.caller import Caller, needs
from api.problems import Mistake, Problem, bad_field, declared
from api.state import ApiState, Hub
from api.times import text_of
from domain.errors import BadRulebook
from rules.books import BookText, read_books, severities_of, with_new
from rules.calendar import Calendar
from rules.tally import as_data
from storage.backtests import Period, backtest, books_in_force, station_ids
from storage.database import open_database
from storage.elsewhere import readings_at
from storage.influx_at import InfluxAt

router = APIRouter(prefix="/api/v1", tags=["rules"])

MOST_STATION_HOURS: Final = 60_000
"""About 350 stations for a week; more is for the command line."""
LONGEST_S: Final = 60.0
AT_ONCE: Final = anyio.CapacityLimiter(1)
"""One at a time: it takes a whole core, and doors come first."""


@router.post(
    "/rules/backtest",
    response_model=shapes.Backtest,
    responses=declared(401, 403, 404, 413, 422, 429, 503),
)
async def run_backtest(
    hub: Hub, caller: Annotated[Caller, needs("rules:read")], asked: shapes.NewBacktest
) -> dict[str, Any]:
    """Replay stored readings through both rulebooks, in a process of its own. Nothing is changed by it.

    It counts the stations that lie in `area` and that the token may see.
    """
    if not caller.may("alerts:read"):
        raise Problem(403, "scope_missing", "This token has no scope alerts:read.")
    seen = narrowed(caller.area, asked.area)
    if seen is None:
        raise bad_field("body.area", f"this token is for {caller.area}: name an area of it")
    if asked.own and not asked.area:
        raise bad_field("body.area", "say whose own rulebook it is")
    now_ms = hub.clock.now_ms()
    period = Period(now_ms - asked.hours * 3_600_000, now_ms, seen)
    old, new, severities = await to_thread.run_sync(_prepare, hub, asked, period)
    if AT_ONCE.borrowed_tokens:
        raise Problem(
            429, "busy", "Another back-test runs; try again when it is done.", headers={"Retry-After": "20"}
        )
    try:
        with anyio.fail_after(LONGEST_S):
            counted = await to_process.run_sync(
                partial(
                    _run, hub.db.url, old, new, period, severities, hub.influx_at, hub.timetables.calendar
                ),
                cancellable=True,
                limiter=AT_ONCE,
            )
    except TimeoutError:
        raise bad_field(
            "body.hours", f"that took more than {LONGEST_S:.0f} s; ask for less time or a smaller area"
        ) from None
    counted["from"], counted["to"] = text_of(counted.pop("from_ms")), text_of(counted.pop("to_ms"))
    for rule in counted["rules"]:
        for side in ("before", "after"):
            for example in rule[side]["examples"]:
                example["begun"] = text_of(example.pop("begun_ms"))
    return counted


def _prepare(
    hub: ApiState, asked: shapes.NewBacktest, period: Period
) -> tuple[tuple[BookText, ...], tuple[BookText, ...], dict[str, str]]:
    """Read both rulebooks and see that it is not too much; mistakes are answered with their lines."""
    old = books_in_force(hub.db)
    new = with_new(old, BookText(asked.text, 0, "text", asked.area if asked.own else ""))
    try:
        severities = severities_of(read_books(old), read_books(new))
    except BadRulebook as exc:
        lines = str(exc).splitlines()[:20]
        raise Problem(
            422, "bad_rulebook", lines[0], errors=[Mistake(path="body.text", detail=one) for one in lines]
        ) from exc
    count = len(station_ids(hub.db, period))
    if count * asked.hours > MOST_STATION_HOURS:
        most_h = MOST_STATION_HOURS // count
        raise bad_field(
            "body.hours", f"{count} stations lie there; of so many at most {most_h} hours are taken"
        )
    return old, new, severities


def _run(
    url: str,
    old: tuple[BookText, ...],
    new: tuple[BookText, ...],
    period: Period,
    severities: dict[str, str],
    influx_at: InfluxAt | None,
    calendar: Calendar,
) -> dict[str, Any]:
    database = open_database(url, connections=1)
    try:
        with readings_at(influx_at) as influx:
            tally = backtest(
                database, read_books(old), read_books(new), period, influx=influx, calendar=calendar
            )
    finally:
        database.close()
    return as_data(tally, severities, period.from_ms)
