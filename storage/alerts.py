"""Alerts: one open row for each fault, a new row for each time it comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.errors import Conflict, NotFound
from domain.facts import Value
from domain.ids import DeviceId
from storage.areas import within
from storage.tables import alert, alert_basis
from storage.texts import json_text, storable
from storage.versions import ALERTS, next_versions

Severity = Literal["emergency", "major", "minor", "info"]
AlertState = Literal["firing", "acknowledged", "resolved"]
MAX_BASES: Final = 20
"""How often it is noted why an alert began again: a sensor that flaps for days says nothing new."""
Asked = Literal["open", "firing", "acknowledged", "resolved"]


class NewAlert(NamedTuple):
    """A fault that begins. `id` sorts by time; `happened_ms` by the device, `learned_ms` by the hub."""

    id: str
    device: DeviceId
    part: int
    adcode: str
    code: str
    severity: Severity
    safety: bool
    rulebook_version: int
    latched: bool
    happened_ms: int
    learned_ms: int
    refuse_entry: bool
    values: Mapping[str, Value]
    text_zh: str
    text_en: str
    basis: Mapping[str, Any] | None = None


class Opened(NamedTuple):
    """The open row of a fault; `new` when it was not open before."""

    id: str
    new: bool


class Ending(NamedTuple):
    """A fault that is over."""

    device: DeviceId
    part: int
    code: str
    at_ms: int
    reason: str


class Alert(NamedTuple):
    """An alert as it stands. `flaps` counts how often it began again while it was open."""

    id: str
    device: DeviceId
    part: int
    adcode: str
    code: str
    severity: Severity
    safety: bool
    state: AlertState
    rulebook_version: int
    latched: bool
    happened_ms: int
    learned_ms: int
    refuse_entry: bool
    values: dict[str, Value]
    text_zh: str
    text_en: str
    acked_ms: int | None
    acked_by: str | None
    resolved_ms: int | None
    resolved_reason: str | None
    resolved_by: str | None
    note: str | None
    flaps: int
    version: int


_INSERT: Final = {
    "sqlite": sqlite.insert(alert).on_conflict_do_nothing().returning(alert.c.id),
    "postgresql": postgresql.insert(alert).on_conflict_do_nothing().returning(alert.c.id),
}
_OPEN: Final = alert.c.resolved_ms.is_(None)


def open_many(connection: Connection, alerts: Sequence[NewAlert]) -> list[Opened]:
    """Open each fault, in order. One that is open already keeps its row, which counts a flap and refuses
    entry from then on if the new one does; the same id again changes nothing, so a transaction whose
    end was lost may be done again."""
    if not alerts:
        return []
    first = next_versions(connection, ALERTS, len(alerts))
    return [_open(connection, one, first + at) for at, one in enumerate(alerts)]


def _open(connection: Connection, new: NewAlert, version: int) -> Opened:
    id_ = connection.scalar(
        _INSERT[connection.dialect.name],
        {
            "id": new.id,
            "station": new.device.station,
            "adcode": new.adcode,
            "kind": new.device.kind,
            "n": new.device.n,
            "part": new.part,
            "code": new.code,
            "severity": new.severity,
            "safety": new.safety,
            "state": "firing",
            "rulebook_version": new.rulebook_version,
            "latched": new.latched,
            "happened_ms": new.happened_ms,
            "learned_ms": new.learned_ms,
            "refuse_entry": new.refuse_entry,
            "values_json": json_text(new.values),
            "text_zh": storable(new.text_zh),
            "text_en": storable(new.text_en),
            "flaps": 0,
            "version": version,
        },
    )
    if id_ is not None:
        _note_basis(connection, new, new.id, 0)
        return Opened(new.id, True)
    kept = connection.execute(
        sa.update(alert)
        .where(*_fault(new.device, new.part, new.code), alert.c.id != new.id)
        .values(
            flaps=alert.c.flaps + 1,
            refuse_entry=sa.or_(alert.c.refuse_entry, sa.literal(new.refuse_entry)),
            version=version,
        )
        .returning(alert.c.id, alert.c.flaps)
    ).one_or_none()
    if kept is not None:
        _note_basis(connection, new, kept.id, kept.flaps)
    return Opened(kept.id if kept is not None else new.id, False)


def _note_basis(connection: Connection, new: NewAlert, id_: str, flap: int) -> None:
    if new.basis is not None and flap <= MAX_BASES:
        body = json_text({**new.basis, "values": dict(new.values)})
        connection.execute(
            sa.insert(alert_basis).values(alert_id=id_, flap=flap, at_ms=new.learned_ms, body=body)
        )


def bases(connection: Connection, id: str) -> list[tuple[int, int, dict[str, Any]]]:  # noqa: A002
    """Why it opened, and began again the first times: (flap, at_ms, body), flap 0 for the opening."""
    wanted = sa.select(alert_basis.c.flap, alert_basis.c.at_ms, alert_basis.c.body)
    rows = connection.execute(wanted.where(alert_basis.c.alert_id == id).order_by(alert_basis.c.flap))
    return [(flap, at_ms, json.loads(body)) for flap, at_ms, body in rows]


def _fault(device: DeviceId, part: int, code: str) -> list[ColumnElement[bool]]:
    return [
        alert.c.station == device.station,
        alert.c.kind == device.kind,
        alert.c.n == device.n,
        alert.c.part == part,
        alert.c.code == code,
        _OPEN,
    ]


def resolve_many(connection: Connection, endings: Sequence[Ending]) -> list[str]:
    """End the open rows of these faults; returns the ids of those that were open."""
    if not endings:
        return []
    first = next_versions(connection, ALERTS, len(endings))
    ended = []
    for at, end in enumerate(endings):
        id_ = connection.scalar(
            sa.update(alert)
            .where(*_fault(end.device, end.part, end.code))
            .values(state="resolved", resolved_ms=end.at_ms, resolved_reason=end.reason, version=first + at)
            .returning(alert.c.id)
        )
        if id_ is not None:
            ended.append(id_)
    return ended


def acknowledge(connection: Connection, id: str, who: str, now_ms: int) -> Alert:  # noqa: A002
    """Somebody takes care of it. The first one stays named; Conflict once it is resolved."""
    version = next_versions(connection, ALERTS)
    connection.execute(
        sa.update(alert)
        .where(alert.c.id == id, alert.c.state == "firing")
        .values(state="acknowledged", acked_ms=now_ms, acked_by=storable(who), version=version)
    )
    found = get(connection, id)
    if found.state == "resolved":
        raise Conflict("This alert is resolved already.")
    return found


def reset(connection: Connection, id: str, who: str, reason: str, now_ms: int) -> Alert:  # noqa: A002
    """A person ends a latched alert and says why. Conflict when it is over, or would end by itself."""
    version = next_versions(connection, ALERTS)
    ended = connection.execute(
        sa.update(alert)
        .where(alert.c.id == id, alert.c.latched, _OPEN)
        .values(
            state="resolved",
            resolved_ms=now_ms,
            resolved_reason="reset",
            resolved_by=storable(who),
            note=storable(reason, at_most=1000),
            version=version,
        )
    )
    found = get(connection, id)
    if not ended.rowcount:
        raise Conflict(
            "This alert is resolved already."
            if found.state == "resolved"
            else "This alert ends by itself when the fault is over; only a latched one is reset by hand."
        )
    return found


def get(connection: Connection, id: str) -> Alert:  # noqa: A002
    """The alert, or NotFound."""
    found = connection.execute(sa.select(alert).where(alert.c.id == id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no alert {id[:40]!r}.")
    return _alert(found)


def search(
    connection: Connection,
    *,
    state: Asked | None = None,
    area: str = "",
    station: str | None = None,
    code: str | None = None,
    severity: Severity | None = None,
    before: str = "",
    limit: int = 50,
) -> list[Alert]:
    """Alerts, the newest first, those behind the id `before`; the last id is the next `before`."""
    wanted = sa.select(alert).where(within(area, alert.c.adcode, alert.c.station))
    if state == "open":
        wanted = wanted.where(_OPEN)
    elif state is not None:
        wanted = wanted.where(alert.c.state == state)
    for column, value in ((alert.c.station, station), (alert.c.code, code), (alert.c.severity, severity)):
        if value is not None:
            wanted = wanted.where(column == value)
    if before:
        wanted = wanted.where(alert.c.id < before)
    return [_alert(row) for row in connection.execute(wanted.order_by(alert.c.id.desc()).limit(limit))]


def all_open(connection: Connection) -> list[Alert]:
    """Every open alert, the oldest first."""
    return [_alert(row) for row in connection.execute(sa.select(alert).where(_OPEN).order_by(alert.c.id))]


def open_ids(connection: Connection) -> set[str]:
    """The ids of all open alerts: enough to see which of them a person has ended."""
    return set(connection.scalars(sa.select(alert.c.id).where(_OPEN)))


def changed_since(connection: Connection, version: int, limit: int = 1000) -> list[Alert]:
    """Alerts that changed after this version, in the order of their last change."""
    wanted = sa.select(alert).where(alert.c.version > version).order_by(alert.c.version).limit(limit)
    return [_alert(row) for row in connection.execute(wanted)]


def _alert(row: sa.Row[*tuple[Any, ...]]) -> Alert:
    values = row._asdict()
    device = DeviceId(values.pop("station"), values.pop("kind"), values.pop("n"))
    return Alert(device=device, values=json.loads(values.pop("values_json")), **values)
