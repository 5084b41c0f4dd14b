"""How stations were used and how well they did over a period, read from their hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import BigInteger, Connection

from devices.kind import Kind
from devices.registry import kinds
from devices.state import SELF, DeviceState
from domain.facts import Facts
from domain.ids import DeviceId
from rules.amenities import AMENITIES, Amenity
from rules.health import FilterLife, battery_health, filter_life
from rules.station_figures import Figures, StationFigures
from rules.utilisation import Uptime, counted
from storage import rollups
from storage.areas import within
from storage.rollup_tables import uptime_hour, use_hour
from storage.tables import device, device_state, station

DAY_MS: Final = 86_400_000
_AT_ONCE: Final = 200
BATTERY_FACT: Final = "soh_pct"
FILTER_FACTS: Final = ("litres_used", "litres_total", "hours_used", "hours_total")


def figures(connection: Connection, area: str, from_ms: int, to_ms: int) -> list[StationFigures]:
    """The figures of every station of an area that has devices, from hours that begin in the period.

    A station of which nothing is kept there is silent. Batteries and filters are as last known.
    """
    equipped = sa.exists().where(device.c.station == station.c.id)
    rows = connection.execute(
        sa.select(station.c.id, station.c.name, station.c.area)
        .where(within(area, station.c.area, station.c.id), equipped)
        .order_by(station.c.id)
    ).all()
    uptime: dict[str, dict[Amenity, Uptime]] = {}
    use: dict[str, dict[str, Any]] = {}
    for first in range(0, len(rows), _AT_ONCE):
        ids = [row.id for row in rows[first : first + _AT_ONCE]]
        uptime.update(_uptime(connection, ids, from_ms, to_ms))
        use.update(_use(connection, ids, from_ms, to_ms))
    batteries = _batteries(connection, area)
    filters = _filters(connection, area, from_ms, to_ms)
    found = []
    for id_, name, division in rows:
        lives = filters.get(id_, [])
        days = [life.days for life in lives if life.days is not None]
        all_, weak = batteries.get(id_, (0, 0))
        told = use.get(id_, {})
        one = Figures(
            **told,
            silent=0 if told.get("received") else 1,
            uptime=uptime.get(id_, {}),
            counting=0 if told.get("visits") is None else 1,
            batteries=all_,
            weak_batteries=weak,
            filters=len(lives),
            filters_due=sum(life.due for life in lives),
            filter_days=min(days) if days else None,
        )
        found.append(StationFigures(id_, name, division[:6], one))
    return found


def _sum(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # PostgreSQL adds whole numbers up to decimals.
    return sa.cast(sa.func.sum(column), BigInteger).label(column.name)


def _uptime(
    connection: Connection, ids: Sequence[str], from_ms: int, to_ms: int
) -> dict[str, dict[Amenity, Uptime]]:
    hours = uptime_hour.c
    sums = [_sum(column) for column in (hours.up_ms, hours.down_ms, hours.unknown_ms, hours.closed_ms)]
    wanted = (
        sa.select(hours.station, hours.amenity, *sums)
        # Each series of hours lies together: named one by one they are read where they lie.
        .where(hours.station.in_(ids), hours.amenity.in_(AMENITIES))
        .where(hours.hour_ms >= from_ms, hours.hour_ms < to_ms)
        .group_by(hours.station, hours.amenity)
    )
    found: dict[str, dict[Amenity, Uptime]] = {}
    for id_, amenity, *lengths in connection.execute(wanted):
        found.setdefault(id_, {})[cast(Amenity, amenity)] = Uptime(*lengths)
    return found


def _use(connection: Connection, ids: Sequence[str], from_ms: int, to_ms: int) -> dict[str, dict[str, Any]]:
    hours = use_hour.c
    names = ("visits", "person_ms", "openings", "jams", "swaps", "received", "expected")
    wanted = (
        sa.select(hours.station, *(_sum(hours[name]) for name in names))
        .where(hours.station.in_(ids), hours.hour_ms >= from_ms, hours.hour_ms < to_ms)
        .group_by(hours.station)
    )
    return {id_: dict(zip(names, sums, strict=True)) for id_, *sums in connection.execute(wanted)}


def _states(
    connection: Connection, area: str, which: Iterable[Kind]
) -> Iterable[tuple[DeviceId, DeviceState]]:
    names = [kind.name for kind in which]
    wanted = (
        sa.select(device_state.c.station, device_state.c.kind, device_state.c.n, device_state.c.state)
        .join(station, station.c.id == device_state.c.station)
        .where(within(area, station.c.area, station.c.id), device_state.c.kind.in_(names))
    )
    for id_, kind, n, state in connection.execute(wanted):
        yield DeviceId(id_, kind, n), DeviceState.from_json(state)


def _batteries(connection: Connection, area: str) -> dict[str, tuple[int, int]]:
    """By station: batteries whose health is known, and those of them that are weak or worn."""
    found: dict[str, tuple[int, int]] = {}
    which = [kind for kind in kinds().values() if BATTERY_FACT in kind.part_metrics]
    for device_id, state in _states(connection, area, which):
        for part, facts in state.parts.items():
            health = battery_health(facts.values)
            if part == SELF or health == "unknown" or facts.values.get("state") == "empty":
                continue
            known, weak = found.get(device_id.station, (0, 0))
            found[device_id.station] = known + 1, weak + (health in ("weak", "worn"))
    return found


def _filters(connection: Connection, area: str, from_ms: int, to_ms: int) -> dict[str, list[FilterLife]]:
    """By station: what is left of each filter, at the flow of this period."""
    found: dict[str, list[FilterLife]] = {}
    which = [kind for kind in kinds().values() if set(FILTER_FACTS) <= set(kind.part_metrics)]
    for device_id, state in _states(connection, area, which):
        for part, facts in state.parts.items():
            if part == SELF:
                continue
            hours = rollups.between(connection, device_id, from_ms, to_ms, part)
            said = [hour.metrics["litres_used"] for hour in hours if "litres_used" in hour.metrics]
            litres = counted(
                float(value)
                for one in said
                for value in (one.min, one.last)
                if isinstance(value, (int, float))
            )
            days = (to_ms - from_ms) / DAY_MS
            left = _left(facts, "litres"), _left(facts, "hours")
            if left != (None, None):
                found.setdefault(device_id.station, []).append(
                    filter_life(left[0], litres / days if said and days > 0 else None, left[1])
                )
    return found


def _left(facts: Facts, what: str) -> float | None:
    used, total = facts.values.get(f"{what}_used"), facts.values.get(f"{what}_total")
    if isinstance(used, (int, float)) and isinstance(total, (int, float)):
        return float(total) - float(used)
    return None
