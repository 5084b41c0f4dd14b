"""Forgetting: what is older than the settings say goes, a little at a time, so that nobody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

from storage import rollup_tables, tables
from storage.database import Database
from storage.rollups import hour_of
from storage.series import Series
from storage.states import prune_boots

DAY_MS: Final = 86_400_000
BOOTS_DAYS: Final = 30
ROWS_AT_ONCE: Final = 1000

Step = Callable[[Connection], bool]
"""Deletes some rows; returns whether there is more to do."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that things are kept: readings, events, quarantine; and what people may ask about later."""

    raw_days: int = 30
    record_days: int = 730

    def raw_from_ms(self, now_ms: int) -> int:
        """From when on readings are kept: whole hours, so that none is rolled up from what is left of it."""
        return hour_of(now_ms - self.raw_days * DAY_MS)


def prune(database: Database, series: Series, keep: Keep, now_ms: int) -> Iterator[None]:
    """Delete what is too old, one short transaction at each `next`; pause between them as you like.

    Open alerts, commands under way and the current boot of a speaker are never too old.
    """
    raw_ms = keep.raw_from_ms(now_ms)
    after: str | None = ""
    while after is not None:
        with database.write() as connection:
            after = series.prune(connection, raw_ms, after)
        yield
    for step in _steps(now_ms, raw_ms, now_ms - keep.record_days * DAY_MS):
        more = True
        while more:
            with database.write() as connection:
                more = step(connection)
            yield


def _steps(now_ms: int, raw_ms: int, record_ms: int) -> Iterator[Step]:
    event, quarantine, replay = tables.event, tables.quarantine, tables.replay
    yield _older(event, event.c.received_ms < raw_ms)
    yield _older(quarantine, quarantine.c.last_ms < raw_ms)
    yield _older(replay, replay.c.requested_ms < raw_ms)
    yield lambda connection: prune_boots(connection, now_ms - BOOTS_DAYS * DAY_MS, ROWS_AT_ONCE) > 0
    alert, notice, command = tables.alert, tables.notice, tables.command
    yield _older(alert, alert.c.resolved_ms < record_ms)
    basis = tables.alert_basis
    yield _older(basis, (basis.c.at_ms < record_ms) & basis.c.alert_id.not_in(sa.select(alert.c.id)))
    yield _older(notice, (notice.c.created_ms < record_ms) & notice.c.state.in_(("sent", "failed")))
    under_way = command.c.state.in_(tables.OPEN_COMMAND_STATES)
    yield _older(command, (command.c.updated_ms < record_ms) & ~under_way)
    step, kept = tables.command_step, sa.select(command.c.id)
    yield _older(step, (step.c.at_ms < record_ms) & step.c.command_id.not_in(kept))
    yield _older(tables.access, tables.access.c.at_ms < record_ms)
    yield _older(tables.audit, tables.audit.c.at_ms < record_ms)
    for hours in (rollup_tables.rollup, rollup_tables.uptime_hour, rollup_tables.use_hour):
        yield _older(hours, hours.c.hour_ms < record_ms)
    yield _older(rollup_tables.late_hour, rollup_tables.late_hour.c.hour_ms < raw_ms)
    yield _older(tables.sign_in, tables.sign_in.c.expires_ms < now_ms - DAY_MS)


def _older(table: Table, condition: ColumnElement[bool]) -> Step:
    key: list[Any] = list(table.primary_key)
    some = sa.select(*key).where(condition).limit(ROWS_AT_ONCE)
    which = key[0].in_(some) if len(key) == 1 else sa.tuple_(*key).in_(some)
    delete = sa.delete(table).where(which)

    def step(connection: Connection) -> bool:
        return connection.execute(delete).rowcount >= ROWS_AT_ONCE

    return step
