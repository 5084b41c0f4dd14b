"""Days of readings as stations would have left them in the database: full reports, changes, some faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from devices.kind import Kind, Metric
from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId, edge_box
from storage import events, registry, stations
from storage.database import Database
from storage.events import EventRow
from storage.series import SeriesRow, SqlSeries

PERIOD_MS: Final = 60_000
BOOT: Final = "bench"

# What a sensor of this name rests at, how far it wanders, and its smallest step.
_RESTS: Final[Mapping[str, tuple[float, float, float]]] = {
    "temp_c": (29.0, 9.0, 0.1), "hot_c": (93.0, 2.0, 0.1), "charger_temp_c": (38.0, 6.0, 0.1),
    "cabinet_temp_c": (33.0, 4.0, 0.1), "terminal_c": (34.0, 5.0, 0.1), "humidity_pct": (60.0, 15.0, 1.0),
    "battery_pct": (80.0, 5.0, 1.0), "soc_pct": (98.0, 1.0, 1.0), "soh_pct": (93.0, 1.0, 1.0),
    "pack_v": (51.0, 3.0, 0.1), "pack_a": (6.0, 4.0, 1.0), "power_w": (600.0, 200.0, 10.0),
    "voltage_v": (225.0, 4.0, 1.0), "ac_setpoint_c": (26.0, 0.0, 1.0), "residual_ma": (4.0, 1.0, 1.0),
    "cell_delta_mv": (20.0, 8.0, 1.0), "rated_a": (16.0, 0.0, 1.0), "current_a": (3.0, 1.0, 0.1),
    "tank_level_pct": (70.0, 15.0, 1.0), "inlet_pressure_kpa": (250.0, 30.0, 5.0),
    "inlet_temp_c": (18.0, 2.0, 0.1), "hot_temp_c": (93.0, 2.0, 0.1), "cold_temp_c": (12.0, 1.0, 0.1),
    "flow_lpm": (0.0, 0.0, 0.1), "out_lpm": (0.0, 0.0, 0.1), "tds_in": (180.0, 10.0, 5.0),
    "tds_out": (15.0, 3.0, 1.0), "sanitised_days": (20.0, 0.0, 1.0), "litres_total": (9000.0, 0.0, 1.0),
    "litres_used": (2000.0, 500.0, 1.0), "hours_total": (8000.0, 0.0, 1.0), "hours_used": (900.0, 0.0, 1.0),
    "total_litres": (5000.0, 0.0, 1.0), "dispensed_litres": (3000.0, 0.0, 1.0), "uv_hours": (500.0, 0.0, 1.0),
}  # fmt: skip
_TRUE: Final = frozenset({
    "mains_ok", "enabled", "charging_enabled", "charger_on", "on", "lights", "float_ok", "heater_on",
    "uv_on", "serving",
})  # fmt: skip
_WORDS: Final[Mapping[str, str]] = {
    "bolt": "locked", "leaf": "closed", "status": "idle", "state": "full", "mode": "normal",
    "door": "closed", "service_door": "closed", "ac_mode": "cool",
}  # fmt: skip
_WANDERS: Final = 0.1
"""How likely a reading is to move by a step from one report to the next."""
_PARTS: Final = 4


@dataclass
class _Sensor:
    """One metric on its way. `fault` is what it says while it is broken, for so many more reports."""

    metric: Metric
    value: Value
    fault: Value = None
    left: int = 0


@dataclass
class _Unit:
    """A device or one of its parts."""

    sensors: list[_Sensor]
    said: dict[str, Value] = field(default_factory=dict)

    def report(self, rng: random.Random) -> dict[str, Value]:
        """The whole report; the same object while nothing has moved."""
        made: dict[str, Value] | None = None
        for sensor in self.sensors:
            value = _next(sensor, made or self.said, rng)
            if self.said.get(sensor.metric.name, self) != value:
                made = made or dict(self.said)
                made[sensor.metric.name] = value
        if made is not None:
            self.said = made
        return self.said


def station_names(count: int) -> list[str]:
    """Ids of stations, spread over some counties."""
    counties = ("330102", "330106", "330302", "330681", "331002", "331003", "331022", "331082")
    return [f"{counties[n % len(counties)]}-B{n:03d}" for n in range(count)]


def furnish_week(
    database: Database, *, count: int, equipped: int, cabinets: int, slots: int, begin_ms: int, minutes: int,
    seed: int = 1, progress: Callable[[int], None] = lambda _done: None,
) -> tuple[int, int]:  # fmt: skip
    """Register stations and write what they said; returns how many messages and how many rows of parts."""
    rng = random.Random(seed)
    names = station_names(count)
    with database.write() as connection:
        stations.put_stations(
            connection,
            [
                stations.Station(n, n[:6], n[:6], n[-3:], f"驿站 {n[-3:]}", hours="24/7", capacity=10)
                for n in names
            ],
        )
    messages = parts = 0
    for at, name in enumerate(names[:equipped]):
        here = [kind for kind in kinds().values() if kind.name != "swap_cabinet" or at < cabinets]
        with database.write() as connection:
            registry.put_devices(
                connection, [registry.Device(DeviceId(name, kind.name, 1), edge_box(name)) for kind in here]
            )
            for place, kind in enumerate(here, 1):
                rows = list(_said(name, kind, place, slots, begin_ms, minutes, rng))
                SqlSeries().append(connection, kind.name, rows)
                messages += len(rows)
                parts += sum(len(row.parts) for row in rows)
            swings = list(_visits(name, begin_ms, minutes, rng))
            events.append_many(connection, swings)
            messages += len(swings)
        progress(at + 1)
    return messages, parts


def _said(
    station: str, kind: Kind, place: int, slots: int, begin_ms: int, minutes: int, rng: random.Random
) -> Iterator[SeriesRow]:
    device, box = DeviceId(station, kind.name, 1), edge_box(station)
    own = _unit(kind.metrics.values(), rng)
    inner: dict[int, _Unit] = {}
    if kind.parts is not None:
        number = slots if kind.name == "swap_cabinet" else _PARTS
        inner = {n: _unit(kind.part_metrics.values(), rng) for n in range(1, number + 1)}
    offset_ms = rng.randrange(PERIOD_MS)
    away = range(minutes // 2, minutes // 2 + 20) if rng.random() < 0.1 else range(0)
    for minute in range(minutes):
        if minute in away:
            continue
        _break_something(kind, own, inner, rng)
        at_ms = begin_ms + minute * PERIOD_MS + offset_ms
        fields = own.report(rng)
        parts = {n: unit.report(rng) for n, unit in inner.items()}
        seq = _seq(begin_ms, at_ms, place)
        yield SeriesRow(device, box, BOOT, seq, at_ms, at_ms, at_ms + 40, fields, parts, {})


def _visits(station: str, begin_ms: int, minutes: int, rng: random.Random) -> Iterator[EventRow]:
    device, box = DeviceId(station, "door_lock", 1), edge_box(station)
    at_ms = begin_ms
    while True:
        at_ms += round(rng.expovariate(1 / 1_200_000))
        if at_ms >= begin_ms + minutes * PERIOD_MS - 60_000:
            return
        open_s = 400 if rng.random() < 0.01 else rng.uniform(4, 20)
        steps = (("unlocked", 0.0), ("opened", 2.0), ("closed", 2 + open_s), ("locked", 3 + open_s))
        for type_, later_s in steps:
            when_ms = at_ms + round(later_s * 1000)
            seq = _seq(begin_ms, when_ms, 0)
            yield EventRow(device, box, BOOT, seq, when_ms, when_ms, when_ms + 30, type_, 0, {})
        at_ms += round((5 + open_s) * 1000)


def _seq(begin_ms: int, at_ms: int, place: int) -> int:
    """A number that rises with time, and differs between the devices behind one box."""
    return (at_ms - begin_ms) * 16 + place


def _unit(metrics: Iterable[Metric], rng: random.Random) -> _Unit:
    return _Unit([_Sensor(one, _first(one, rng)) for one in metrics])


def _first(metric: Metric, rng: random.Random) -> Value:
    if metric.type == "bool":
        return metric.name in _TRUE
    if metric.type == "str":
        return _WORDS.get(metric.name) or (
            metric.choices[0] if metric.choices else f"SN{rng.randrange(10**6):06d}"
        )
    if metric.type == "int":
        return 0
    rest, far, step = _RESTS.get(metric.name, (1.0, 0.0, 1.0))
    return round(round((rest + rng.uniform(-far, far)) / step) * step, 1)


def _next(sensor: _Sensor, said: Mapping[str, Value], rng: random.Random) -> Value:
    if sensor.left:
        sensor.left -= 1
        return sensor.fault
    metric = sensor.metric
    if metric.name in ("energy_kwh", "in_total", "out_total"):
        if rng.random() < 0.1:
            sensor.value = (sensor.value or 0) + (1 if metric.type == "int" else 0.5)  # type: ignore[operator]
    elif metric.name == "count_raw":
        if rng.random() < 0.05:
            sensor.value = max(0, min(9, int(sensor.value or 0) + rng.choice((-1, 1))))
    elif metric.name == "presence":
        # Whoever sits still is not seen for a moment; the count stands first in a report.
        sensor.value = bool(said.get("count_raw")) and rng.random() > 0.02
    elif metric.type == "float" and metric.name in _RESTS and rng.random() < _WANDERS:
        rest, far, step = _RESTS[metric.name]
        if far:
            drawn = float(sensor.value or 0.0) + rng.choice((-step, step))
            sensor.value = round(min(rest + far, max(rest - far, drawn)), 1)
    return sensor.value


def _break_something(kind: Kind, own: _Unit, inner: dict[int, _Unit], rng: random.Random) -> None:
    """About once in two days and device a sensor says something bad for some minutes."""
    if rng.random() > 1 / 2880:
        return
    unit = rng.choice([own, *inner.values()])
    sensor = rng.choice(unit.sensors)
    metric = sensor.metric
    if metric.type == "bool":
        sensor.fault = metric.name not in _TRUE
    elif metric.type == "str" and metric.choices:
        sensor.fault = rng.choice(metric.choices)
    elif metric.type == "float" and metric.name in _RESTS:
        rest, far, _ = _RESTS[metric.name]
        sensor.fault = round(rest + far + rng.uniform(5, 40), 1)
    else:
        return
    sensor.left = rng.randint(1, 12)
