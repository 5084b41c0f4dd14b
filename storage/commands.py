"""Commands to devices: rows that the API and the rules write, and that only the gateway carries out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.dialects import postgresql, sqlite

from domain.ids import DeviceId
from storage.database import database_now_ms
from storage.tables import OPEN_COMMAND_STATES, command, command_step
from storage.versions import next_versions

FINAL_STATES: Final = frozenset({"opened", "unused", "rejected", "no_answer", "expired", "failed"})
"""An unlock that got here stays here. Anything else that is asked of a device ends with `done`."""

CLAIM_WITHIN_MS: Final = 3_000
"""No nonce within this time after the request, and an unlock is over."""
ANSWER_WITHIN_MS: Final = 10_000
"""No answer within this time after the request, and nothing can open any more."""
OPEN_WITHIN_MS: Final = 20_000
"""How long after the bolt moved the door may still be said to have been opened, or locked again."""
GRACE_MS: Final = 500
"""The gateway knows first; others say so only when it did not."""

_WRITER: Final = "command"


class NewCommand(NamedTuple):
    """What to ask of `device`. `because` is access:<id> or alert:<id>; `requested_ms` is database time
    less the age of the request; a `must_hold` command is repeated until the device confirms it."""

    id: str
    device: DeviceId
    adcode: str
    action: str
    args: Mapping[str, int]
    because: str
    must_hold: bool
    requested_ms: int
    actor: str
    idempotency_key: str | None = None


class CommandRow(NamedTuple):
    """A command as it stands. `age_ms` is since the request, by the database's clock at reading."""

    id: str
    device: DeviceId
    adcode: str
    action: str
    args: dict[str, int]
    state: str
    reason: str | None
    because: str | None
    must_hold: bool
    requested_ms: int
    actor: str
    attempt: int
    next_ms: int | None
    claimed_epoch: int | None
    updated_ms: int
    age_ms: int

    @property
    def final(self) -> bool:
        """True when nothing more will be heard of it."""
        if self.action != "unlock":
            return self.state == "done" or self.state in FINAL_STATES
        waited_ms = self.requested_ms + self.age_ms - self.updated_ms
        return self.state in FINAL_STATES or (self.state == "done" and waited_ms > OPEN_WITHIN_MS)


class Step(NamedTuple):
    """One state that a command went through, and when."""

    state: str
    at_ms: int
    detail: str | None


_AGE_MS: Final = database_now_ms() - command.c.requested_ms
_AGE: Final = _AGE_MS.label("age_ms")


def new_id(now_ms: int) -> str:
    """An id that sorts by time and cannot be guessed: 24 hexadecimal digits."""
    return f"{max(now_ms, 0):012x}{secrets.token_hex(6)}"


def create_many(conn: Connection, rows: Iterable[NewCommand]) -> list[str]:
    """Write commands with their first step; returns the ids that were taken. An unlock is left out
    when its door has one in flight already."""
    return [row.id for row in rows if create(conn, row)]


def create(conn: Connection, new: NewCommand) -> bool:
    """Write one command; False when its door has an unlock in flight already, or the id is taken."""
    values = {
        "id": new.id,
        "station": new.device.station,
        "adcode": new.adcode,
        "kind": new.device.kind,
        "n": new.device.n,
        "action": new.action,
        "args": json.dumps(dict(new.args), separators=(",", ":")),
        "state": "created",
        "because": new.because,
        "must_hold": new.must_hold,
        "requested_ms": new.requested_ms,
        "actor": new.actor,
        "idempotency_key": new.idempotency_key,
        "attempt": 1,
        "updated_ms": new.requested_ms,
        "version": next_versions(conn, _WRITER),
    }
    insert = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(command)
    if conn.scalar(insert.values(values).on_conflict_do_nothing().returning(command.c.id)) is None:
        return False
    _add_step(conn, new.id, "created", new.requested_ms, None)
    return True


def claim_created(conn: Connection, epoch: int, now_ms_db: int) -> list[CommandRow]:
    """Take over all commands that wait, oldest first: created → preparing, marked with the epoch.

    `age_ms` of each row is computed in the claiming statement by the database's clock. Unlocks older
    than 3 s, or from the future, are not handed out but ended here.
    """
    waits = sa.and_(
        command.c.state == "created", sa.or_(command.c.next_ms.is_(None), command.c.next_ms <= now_ms_db)
    )
    if conn.scalar(sa.select(command.c.id).where(waits).limit(1)) is None:
        return []
    end_overdue(conn, now_ms_db)
    in_time = sa.or_(command.c.must_hold, _AGE_MS.between(0, CLAIM_WITHIN_MS))
    change = (
        sa.update(command)
        .where(waits, in_time)
        .values(
            state="preparing", claimed_epoch=epoch, updated_ms=now_ms_db, version=next_versions(conn, _WRITER)
        )
        .returning(command, _AGE)
    )
    claimed = sorted((_row(row) for row in conn.execute(change)), key=lambda row: (row.requested_ms, row.id))
    for row in claimed:
        _add_step(conn, row.id, "preparing", now_ms_db, None)
    return claimed


def step(
    conn: Connection,
    id_: str,
    from_states: Collection[str],
    to_state: str,
    at_ms: int,
    reason: str | None = None,
    detail: str | None = None,
) -> bool:
    """Compare and set: False, and nothing written, unless the command is in one of `from_states`."""
    values: dict[str, Any] = {"state": to_state, "updated_ms": at_ms, "version": next_versions(conn, _WRITER)}
    if reason is not None:
        values["reason"] = reason
    change = (
        sa.update(command).where(command.c.id == id_, command.c.state.in_(list(from_states))).values(values)
    )
    if not conn.execute(change).rowcount:
        return False
    _add_step(conn, id_, to_state, at_ms, detail)
    return True


def again(conn: Connection, id_: str, next_ms: int, at_ms: int, detail: str | None = None) -> bool:
    """Let a `must_hold` command that was not confirmed start again at `next_ms`, as the next attempt.

    Only the step of the first attempt and of this one are kept as steps: an unreachable device must
    not fill the table. False for a command that is not `must_hold`, or is over.
    """
    change = (
        sa.update(command)
        .where(command.c.id == id_, command.c.must_hold, command.c.state.in_(OPEN_COMMAND_STATES))
        .values(
            state="created",
            attempt=command.c.attempt + 1,
            next_ms=next_ms,
            updated_ms=at_ms,
            claimed_epoch=None,
            version=next_versions(conn, _WRITER),
        )
    )
    if not conn.execute(change).rowcount:
        return False
    conn.execute(sa.delete(command_step).where(command_step.c.command_id == id_, command_step.c.step > 0))
    _add_step(conn, id_, "created", at_ms, detail)
    return True


def open_commands(conn: Connection) -> list[CommandRow]:
    """All that are not over: what a gateway that has just started must go on with. Unlocks whose bolt
    moved lately are among them, since the door may still be opened."""
    bolt_moved = sa.and_(
        command.c.state == "done",
        command.c.action == "unlock",
        command.c.updated_ms > database_now_ms() - OPEN_WITHIN_MS,
    )
    query = sa.select(command, _AGE).where(sa.or_(command.c.state.in_(OPEN_COMMAND_STATES), bolt_moved))
    return [_row(row) for row in conn.execute(query.order_by(command.c.requested_ms, command.c.id))]


def by_id(conn: Connection, id_: str) -> CommandRow | None:
    """One command."""
    row = conn.execute(sa.select(command, _AGE).where(command.c.id == id_)).first()
    return None if row is None else _row(row)


def in_flight(conn: Connection, device: DeviceId) -> CommandRow | None:
    """The unlock that is under way at this door."""
    query = sa.select(command, _AGE).where(
        command.c.station == device.station,
        command.c.kind == device.kind,
        command.c.n == device.n,
        command.c.action == "unlock",
        command.c.state.in_(OPEN_COMMAND_STATES),
    )
    row = conn.execute(query).first()
    return None if row is None else _row(row)


def steps(conn: Connection, id_: str) -> list[Step]:
    """What a command went through, in order."""
    query = sa.select(command_step).where(command_step.c.command_id == id_).order_by(command_step.c.step)
    return [Step(row.state, row.at_ms, row.detail) for row in conn.execute(query)]


def end_overdue(conn: Connection, now_ms: int) -> list[str]:
    """End unlocks that ran out of time, whoever notices; returns their ids.

    Compare-and-set like every other step, so a command that was ended here is never signed after.
    """
    ends = (
        (("created",), CLAIM_WITHIN_MS, "expired", "hub_late"),
        (("preparing",), CLAIM_WITHIN_MS + GRACE_MS, "no_answer", "no_nonce"),
        (("sent", "accepted"), ANSWER_WITHIN_MS + GRACE_MS, "no_answer", "no_reply"),
    )
    ended: list[str] = []
    for states, limit_ms, to_state, reason in ends:
        overdue = sa.select(command.c.id).where(
            command.c.state.in_(states),
            command.c.action == "unlock",
            sa.not_(command.c.must_hold),
            sa.or_(limit_ms < _AGE_MS, _AGE_MS < -GRACE_MS),
        )
        found = conn.scalars(overdue).all()
        ended += [id_ for id_ in found if step(conn, id_, states, to_state, now_ms, reason)]
    return ended


def is_overdue(row: CommandRow) -> bool:
    """True when `end_overdue` would end it: reading is enough to know, so nobody writes for nothing."""
    if row.action != "unlock" or row.must_hold or row.state not in OPEN_COMMAND_STATES:
        return False
    limit_ms = {"created": CLAIM_WITHIN_MS, "preparing": CLAIM_WITHIN_MS + GRACE_MS}.get(
        row.state, ANSWER_WITHIN_MS + GRACE_MS
    )
    return row.age_ms > limit_ms or row.age_ms < -GRACE_MS


def _add_step(conn: Connection, id_: str, state: str, at_ms: int, detail: str | None) -> None:
    # The command's own row is locked by the caller's statement, so nobody counts at the same time.
    last = conn.scalar(sa.select(sa.func.max(command_step.c.step)).where(command_step.c.command_id == id_))
    number = 0 if last is None else last + 1
    conn.execute(
        sa.insert(command_step).values(command_id=id_, step=number, state=state, at_ms=at_ms, detail=detail)
    )


def _row(row: Row[Any]) -> CommandRow:
    return CommandRow(
        row.id,
        DeviceId(row.station, row.kind, row.n),
        row.adcode,
        row.action,
        json.loads(row.args),
        row.state,
        row.reason,
        row.because,
        row.must_hold,
        row.requested_ms,
        row.actor,
        row.attempt,
        row.next_ms,
        row.claimed_epoch,
        row.updated_ms,
        row.age_ms,
    )
