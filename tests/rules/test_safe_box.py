"""Reports within safe bounds are put off, and the alerts are the same as if each had been folded in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from devices.kind import Kind, Metric
from devices.registry import kinds
from domain.facts import Value
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.backtest import StationReplay
from rules.comparisons import alternatives_of
from rules.judges import judges_of
from rules.side_by_side import side_by_side
from rules.stored import StoredDevice, StoredMessage, StoredStation
from tests.rules.hub import CABINET, MINUTE, T0, shipped
from tests.rules.stored_hours import in_hours

HERE = CABINET.station
BOX = edge_box(HERE)
WILD = {"float": (4.0, 46.0, 61.0, 81.0, 400.0, 1200.0), "int": (0, 3, 400, 1100)}
WELL = {"mains_ok", "float_ok", "enabled", "charging_enabled", "on", "serving", "uv_on", "lights"}
CALM_AT: dict[str, Value] = {
    "battery_pct": 90.0, "bolt": "locked", "leaf": "closed", "door": "closed", "service_door": "closed",
    "rated_a": 16.0, "voltage_v": 225.0, "soc_pct": 98.0, "soh_pct": 93.0, "pack_a": 2.0, "state": "full",
    "count_raw": 0, "litres_used": 1.0, "litres_total": 900.0, "hours_used": 1.0, "hours_total": 900.0,
    "inlet_pressure_kpa": 250.0, "tank_level_pct": 70.0, "hot_temp_c": 93.0, "flow_lpm": 0.0,
    "residual_ma": 2.0,
}  # fmt: skip
CALM = {"float": (20.0, 20.5, 21.0, 23.0), "int": (1,)}


def said(metric: Metric, rng: random.Random, wild: bool) -> Value:
    if metric.type == "bool":
        return (metric.name in WELL) != (wild and rng.random() < 0.5)
    if not wild and metric.name in CALM_AT:
        return CALM_AT[metric.name]
    if metric.type == "str":
        return rng.choice(metric.choices) if wild and metric.choices else (metric.choices or ("x",))[0]
    return rng.choice((WILD if wild else CALM)[metric.type])


def walk(kind: Kind, rng: random.Random, minutes: int) -> list[StoredMessage]:
    """Calm for the most part; now and then something is wrong for a while, late, or left out."""
    device = DeviceId(HERE, kind.name, 1)
    own: dict[str, Value] = {one.name: said(one, rng, False) for one in kind.metrics.values()}
    inner = kind.part_metrics.values()
    numbers = (1, 2) if kind.parts else ()
    parts = {n: {one.name: said(one, rng, False) for one in inner} for n in numbers}
    messages = []
    for minute in range(minutes):
        if rng.random() < 0.01:
            continue
        wild = rng.random() < 0.03
        if rng.random() < 0.1:
            own = {one.name: said(one, rng, False) for one in kind.metrics.values()}
            parts = {n: {one.name: said(one, rng, False) for one in inner} for n in numbers}
        for metrics, fields in ((kind.metrics, own), *((kind.part_metrics, parts[n]) for n in parts)):
            for metric in rng.sample(list(metrics.values()), 1):
                if wild or rng.random() < 0.4:
                    fields[metric.name] = said(metric, rng, wild)
        at_ms = T0 + minute * MINUTE
        late_ms = 3 * MINUTE if rng.random() < 0.01 else 40
        shown = {n: dict(one) for n, one in parts.items()}
        told = {k: v for k, v in own.items() if rng.random() > 0.0005}
        messages.append(StoredMessage(at_ms + late_ms, minute, device, BOX, "a", at_ms, at_ms, told, shown))
    return sorted(messages)


def episodes(kind: Kind, messages: list[StoredMessage], *, plain: bool = False) -> tuple[set[Any], int]:
    """What was alarming, and how many reports were put off; `plain`: each report is judged by itself."""
    device = StoredDevice(DeviceId(HERE, kind.name, 1), kind, BOX)
    station = StoredStation(HERE, HERE[:6], ("站", "Station"), (device,), {(BOX, "a"): T0 - 1})
    noted: set[Any] = set()
    sides = side_by_side(shipped(), shipped())

    def note(_: Any, one: Any) -> None:
        alert = one.alert
        values = tuple(sorted(alert.values.items()))
        noted.add((alert.code, alert.part, alert.happened_ms, one.ended_ms, one.reason, one.flaps, values))

    replay = StationReplay(station, judges_of(sides, station.names), HubAway(), 0, 0, note)
    if plain:
        for message in messages:
            replay.take(message)
    else:
        for hours in in_hours(messages, [kind]):
            replay.take_all(hours)
    replay.end(messages[-1].received_ms + 10 * MINUTE)
    return noted, replay.put_off


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(kinds()))
def test_what_is_put_off_changes_no_alert(name: str, seed: int) -> None:
    kind = kinds()[name]
    messages = walk(kind, random.Random(f"{name}{seed}"), 900)
    expected, none = episodes(kind, messages, plain=True)
    found, some = episodes(kind, messages)
    assert found == expected
    assert none == 0
    assert some > 0 or name not in ("swap_cabinet", "door_lock", "climate_sensor")


def test_most_reports_of_a_cabinet_that_is_well_are_put_off() -> None:
    kind = kinds()["swap_cabinet"]
    own: dict[str, Value] = {"smoke": False}
    messages = [
        StoredMessage(
            T0 + n * MINUTE, n, CABINET, BOX, "a", T0 + n * MINUTE, T0 + n * MINUTE, own,
            {1: {"temp_c": 20.0 + n % 7, "door": "closed"}},
        )
        for n in range(60)
    ]  # fmt: skip
    _, put_off = episodes(replace(kind, exports=()), messages)
    assert put_off > 50


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a > 1 || b && c", [["a"], ["b", "c"]]),
        ("a > 1 && (b || c)", [["a", "b"], ["a", "c"]]),
        ("a >= b * 1.1 + 5.0", [["a"]]),
    ],
)
def test_a_condition_is_taken_apart_into_alternatives(source: str, names: list[list[str]]) -> None:
    found = alternatives_of(source)
    assert found is not None
    assert [[one.left.name for one in comparisons] for comparisons in found] == names
    assert alternatives_of("a ? b : c") is None
