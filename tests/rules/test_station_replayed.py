"""A whole station judged again, hours at once: the same alerts as when each message is judged by itself."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from devices.registry import kinds
from domain.ids import DeviceId, edge_box
from rules.away import HubAway
from rules.backtest import StationReplay
from rules.judges import judges_of
from rules.side_by_side import side_by_side
from rules.station_view import StationInfo
from rules.stored import Reset, StoredDevice, StoredMessage, StoredStation
from tests.rules.hub import CABINET, HOUR, MINUTE, T0, shipped
from tests.rules.stored_hours import in_hours
from tests.rules.test_safe_box import walk

HERE = CABINET.station
BOX = edge_box(HERE)
KINDS = ("door_lock", "occupancy_sensor", "climate_sensor", "power_switch", "swap_cabinet")
SOON_MS = 250
"""A deadline is met at once, or at the next look a moment later."""


def story(seed: int, minutes: int) -> list[StoredMessage]:
    """A room that is mostly calm; people come in the second hour, leave in the fourth, and use the door."""
    rng = random.Random(seed)
    messages: list[StoredMessage] = []
    for place, name in enumerate(KINDS):
        silent = range(300, 312) if place == seed % len(KINDS) else range(0)
        for one in walk(kinds()[name], rng, minutes):
            minute = (one.at_ms - T0) // MINUTE
            if minute in silent:
                continue
            fields = dict(one.fields)
            if name == "occupancy_sensor" and rng.random() < 0.97:
                inside = 60 < minute < 200
                fields |= {"presence": inside and rng.random() > 0.02, "count_raw": 3 if inside else 0}
            if name == "power_switch":
                fields |= {"ac_mode": "cool", "power_w": 900.0}
            moved_ms = place * 7_000
            messages.append(
                one._replace(
                    received_ms=one.received_ms + moved_ms, at_ms=one.at_ms + moved_ms,
                    device_ts_ms=one.at_ms + moved_ms, seq=one.seq * 8 + place, fields=fields,
                )
            )  # fmt: skip
    for visit in range(0, minutes - 5, 40):
        for after_s, type_, said in ((31, "opened", "open"), (47, "closed", "closed")):
            at_ms = T0 + visit * MINUTE + after_s * 1000
            seq = visit * 8 + 6 + (type_ == "closed")
            messages.append(
                StoredMessage(
                    at_ms + 30, seq, DeviceId(HERE, "door_lock", 1), BOX, "a", at_ms, at_ms,
                    {"leaf": said}, {}, type_,
                )
            )  # fmt: skip
    return sorted(messages, key=lambda one: (one.received_ms, one.seq))


def episodes(messages: list[StoredMessage], hours: str, *, plain: bool) -> tuple[dict[Any, Any], int]:
    devices = tuple(StoredDevice(DeviceId(HERE, name, 1), kinds()[name], BOX) for name in KINDS)
    info = StationInfo(HERE, HERE[:6], hours, capacity=2)
    station = StoredStation(HERE, HERE[:6], ("站", "Station"), devices, {(BOX, "a"): T0 - 1}, info)
    book = shipped()
    longer = (replace(r, for_ms=r.for_ms * 2) if r.code == "occupancy_over" else r for r in book.rules)
    slower = replace(book, rules=tuple(longer))
    noted: dict[Any, Any] = {}

    def note(side: Any, one: Any) -> None:
        alert = one.alert
        values = tuple(sorted(alert.values.items()))
        key = (side, alert.code, str(alert.device), alert.part, alert.happened_ms)
        noted[key] = (alert.learned_ms, one.ended_ms, one.reason, values)

    resets = [Reset(T0 + 6 * HOUR, DeviceId(HERE, "climate_sensor", 1), 0, "sos")]
    away = HubAway([(T0 + 390 * MINUTE, T0 + 395 * MINUTE)])
    heard = [one for one in messages if not any(a <= one.received_ms < b for a, b in away.spans)]
    sides = side_by_side(book, slower)
    replay = StationReplay(station, judges_of(sides, station.names), away, T0, 0, note, resets)
    if plain:
        for message in heard:
            replay.take(message)
    else:
        for some in in_hours(heard, kinds().values()):
            replay.take_all(some)
    replay.end(messages[-1].received_ms + 10 * MINUTE)
    return noted, replay.put_off


@pytest.mark.parametrize("hours", ["24/7", "Mo-Su 06:00-22:00", "Mo-Su 22:00-06:00"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hours_at_once_raise_what_each_message_by_itself_raises(seed: int, hours: str) -> None:
    messages = story(seed, 480)
    expected, none = episodes(messages, hours, plain=True)
    found, some = episodes(messages, hours, plain=False)
    assert found.keys() == expected.keys()
    for key, (learned_ms, ended_ms, reason, values) in expected.items():
        assert abs(found[key][0] - learned_ms) <= SOON_MS, key
        assert (found[key][1] is None) == (ended_ms is None), key
        assert abs((found[key][1] or 0) - (ended_ms or 0)) <= SOON_MS, key
        assert found[key][2:] == (reason, values), key
    assert none == 0
    assert some > len(messages) / 3


def test_rules_over_hours_emptiness_and_capacity_are_replayed() -> None:
    codes = set()
    for hours in ("24/7", "Mo-Su 23:00-05:00"):
        codes |= {code for _, code, *_ in episodes(story(1, 480), hours, plain=False)[0]}
    assert codes >= {"occupancy_over", "night_power_off"}
