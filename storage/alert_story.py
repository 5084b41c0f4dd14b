"""Why an alert opened and what came of it, gathered from everything that was written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from devices.registry import kinds
from domain.errors import NotFound
from domain.facts import Value
from rules.rule_excerpt import excerpt
from storage import alerts, commands, rulebooks, states
from storage.alerts import Alert
from storage.commands import Step
from storage.tables import alert, alert_basis, command
from storage.tables import boot as boot_table

MAX_COMMANDS = 100
MAX_HELD = 200


class Seen(NamedTuple):
    """One value that the rule saw. `boot` is the speaker's word for its run, if it is still known."""

    name: str
    value: Value
    unit: str | None
    as_of_ms: int | None
    device: str
    boot: str | None
    seq: int | None


class Turn(NamedTuple):
    """A state that the alert went into, when, and why."""

    state: str
    at_ms: int
    reason: str | None
    by: str | None


class Followed(NamedTuple):
    """A command that was given because of the alert."""

    id: str
    device: str
    action: str
    args: dict[str, int]
    state: str
    reason: str | None
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Story:
    """`noted` is False for an alert of the time before reasons were kept: then values have no ages.

    `held_by` kept it back before it opened, `inhibits` are the codes that it keeps back while it is
    open, `held` the alerts (id, code) that opened only after it, `waiting` what waits at this moment.
    """

    alert: Alert
    noted: bool
    area: str
    loaded_ms: int | None
    rule_text: str | None
    cause: str
    pending_ms: int | None
    seen: tuple[Seen, ...]
    held_by: tuple[str, ...]
    inhibits: tuple[str, ...]
    held: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    turns: tuple[Turn, ...]
    commands: tuple[Followed, ...]


def story_of(connection: Connection, id: str) -> Story:  # noqa: A002
    """Everything about the alert; NotFound when there is none."""
    found = alerts.get(connection, id)
    bases = alerts.bases(connection, id)
    opening = next((body for flap, _, body in bases if flap == 0), {})
    area, loaded_ms, text, inhibits = _rule(connection, found)
    return Story(
        alert=found,
        noted=bool(opening),
        area=area,
        loaded_ms=loaded_ms,
        rule_text=text,
        cause=opening.get("cause", "when"),
        pending_ms=opening.get("pending_ms"),
        seen=_seen(connection, found, opening),
        held_by=tuple(opening.get("held_by", ())),
        inhibits=inhibits,
        held=_held(connection, found),
        waiting=_waiting(connection, found),
        turns=_turns(found, opening, bases),
        commands=_commands(connection, found),
    )


def _rule(connection: Connection, found: Alert) -> tuple[str, int | None, str | None, tuple[str, ...]]:
    try:
        row = rulebooks.get(connection, found.rulebook_version)
    except NotFound:
        return "", None, None, ()
    part = excerpt(row.text, found.code)
    if part is None:
        return row.area, row.created_ms, None, ()
    return row.area, row.created_ms, part.text, part.inhibits


def _seen(connection: Connection, found: Alert, opening: dict[str, Any]) -> tuple[Seen, ...]:
    kind = kinds().get(found.device.kind)
    units = (
        {}
        if kind is None
        else {m.name: m.unit for m in (*kind.metrics.values(), *kind.part_metrics.values())}
    )
    marks, sources = opening.get("marks", {}), opening.get("sources", {})
    where = (boot_table.c.station == found.device.station) & boot_table.c.since_ms.in_(
        {mark[0] for mark in marks.values()}
    )
    boots = dict(connection.execute(sa.select(boot_table.c.since_ms, boot_table.c.boot).where(where)).all())
    seen = []
    for name, value in sorted(found.values.items()):
        device, as_of_ms, boot, seq = found.device.short, None, None, None
        if name in marks:
            since_ms, seq, as_of_ms = marks[name]
            boot = boots.get(since_ms)
        elif name in sources:
            device, as_of_ms = sources[name]
        seen.append(Seen(name, value, units.get(name), as_of_ms, device, boot, seq))
    return tuple(seen)


def _held(connection: Connection, found: Alert) -> tuple[tuple[str, str], ...]:
    """Alerts of the station that this one kept back, and that opened afterwards."""
    rows = connection.execute(
        sa.select(alert.c.id, alert.c.code, alert_basis.c.body)
        .join(alert_basis, (alert_basis.c.alert_id == alert.c.id) & (alert_basis.c.flap == 0))
        .where(alert.c.station == found.device.station, alert.c.id > found.id)
        .order_by(alert.c.id)
        .limit(MAX_HELD)
    )
    return tuple((id_, code) for id_, code, body in rows if found.code in json.loads(body).get("held_by", ()))


def _waiting(connection: Connection, found: Alert) -> tuple[str, ...]:
    """What the alert keeps back at this moment, as `swap_cabinet/1 cabinet_offline`."""
    waiting = []
    if found.resolved_ms is None:
        for row in states.states_of(connection, found.device.station):
            for key, entry in json.loads(row.state).get("watch", {}).items():
                if found.code in entry.get("by", ()):
                    waiting.append(f"{row.device.short} {key.partition('/')[2]}")
    return tuple(sorted(waiting))


def _turns(
    found: Alert, opening: dict[str, Any], bases: list[tuple[int, int, dict[str, Any]]]
) -> tuple[Turn, ...]:
    turns = []
    if opening.get("pending_ms") is not None:
        turns.append(Turn("pending", opening["pending_ms"], "when", None))
    if opening.get("held_by"):
        turns.append(
            Turn("held", opening.get("pending_ms") or found.happened_ms, ", ".join(opening["held_by"]), None)
        )
    turns.append(Turn("firing", found.learned_ms, opening.get("cause", "when"), None))
    turns += [Turn("again", at_ms, body.get("cause", "when"), None) for flap, at_ms, body in bases if flap]
    if found.acked_ms is not None:
        turns.append(Turn("acknowledged", found.acked_ms, None, found.acked_by))
    if found.resolved_ms is not None:
        turns.append(
            Turn("resolved", found.resolved_ms, found.note or found.resolved_reason, found.resolved_by)
        )
    return tuple(sorted(turns, key=lambda one: one.at_ms))


def _commands(connection: Connection, found: Alert) -> tuple[Followed, ...]:
    rows = connection.execute(
        sa.select(command)
        .where(command.c.station == found.device.station, command.c.because == f"alert:{found.id}")
        .order_by(command.c.requested_ms, command.c.id)
        .limit(MAX_COMMANDS)
    )
    return tuple(
        Followed(
            row.id, f"{row.kind}/{row.n}", row.action, json.loads(row.args), row.state, row.reason,
            commands.steps(connection, row.id),
        )
        for row in rows
    )  # fmt: skip
