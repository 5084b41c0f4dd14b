"""The simulated cabinet: it charges, swaps, gets hot on request, and obeys."""

from __future__ import annotations

import itertools
from typing import Any

from device_sim.battery_slot import BatterySlot
from device_sim.station_plan import DevicePlan
from domain.json_input import MAX_BYTES
from tests.device_sim.stand_in import CABINET, plan, prepare, signed
from tests.device_sim.town import KEY, Town

STATION = CABINET.station
IDS = (f"c{n}" for n in itertools.count())


def town(slots: int = 10, swaps_per_day: float = 0.0) -> Town:
    device = DevicePlan(kind="swap_cabinet", size={"slots": slots})
    made = Town(plan(devices=(device,), swaps_per_day=swaps_per_day))
    made.join()
    made.run(1)
    return made


def obey(where: Town, action: str, **args: int) -> dict[str, Any]:
    command_id = next(IDS)
    where.tell(CABINET, prepare(command_id, action))
    where.tell(CABINET, signed(KEY, CABINET, command_id, action, where.hub.nonce(command_id), **args))
    return where.hub.replies(command_id)[-1]


def slot(where: Town, n: int, name: str) -> Any:
    """What the hub knows of a slot."""
    known = None
    for body in where.hub.of("telemetry"):
        for part in body.get("slots", ()):
            if part["n"] == n and name in part:
                known = part[name]
    return known


def cabinet(where: Town, name: str) -> Any:
    return [body for body in where.hub.of("telemetry") if name in body][-1][name]


def test_a_battery_charges_from_20_to_95_percent_in_two_to_two_and_a_half_hours() -> None:
    where = town(swaps_per_day=60)
    where.run(12 * 3_600, step_s=5)
    starts: dict[str, tuple[int, float]] = {}
    hours = []
    for body in where.hub.of("telemetry"):
        for part in body.get("slots", ()):
            battery, soc = part.get("battery"), part.get("soc_pct")
            if battery and soc and soc < 40:
                starts[battery] = (body["ts"], soc)
    for battery, (since_ms, soc) in starts.items():
        at = next((n for n in range(1, 11) if slot(where, n, "battery") == battery), None)
        if at is not None and slot(where, at, "state") == "full":
            full_ms = next(
                body["ts"]
                for body in where.hub.of("telemetry")
                for part in body.get("slots", ())
                if part["n"] == at and part.get("state") == "full" and body["ts"] > since_ms
            )
            hours.append((full_ms - since_ms) / 3.6e6 * 75 / (95 - soc))
    assert hours
    assert all(1.9 <= needed <= 2.8 for needed in hours), hours


def test_riders_swap_an_empty_battery_for_a_full_one() -> None:
    where = town(swaps_per_day=80)
    where.run(6 * 3_600, step_s=2)
    swaps = where.hub.events("swapped")
    assert len(swaps) > 5
    assert all(one["slot_in"] != one["slot_out"] for one in swaps)
    assert len({one["order"] for one in swaps}) == len(swaps)
    assert any(body.get("status") == "taking" for body in where.hub.of("telemetry"))


def test_an_overheating_slot_is_over_60_degrees_after_20_seconds_and_reported_every_5() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "overheat", {"slot": 3})
    before = len(where.hub.of("telemetry"))
    where.run(30)
    assert 62 <= slot(where, 3, "temp_c") <= 68
    assert len(where.hub.of("telemetry")) - before >= 6
    (event,) = where.hub.events("overheat")
    assert event["slot"] == 3
    assert event["temp_c"] >= 60
    where.run(600, step_s=0.5)
    assert 62 <= slot(where, 3, "temp_c") <= 68


def test_stopping_the_charger_cools_the_battery_and_both_are_reported() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "overheat", {"slot": 3})
    where.run(30)
    assert obey(where, "stop_charge", slot=3)["state"] == "done"
    assert slot(where, 3, "charger_on") is False
    assert obey(where, "disable_slot", slot=3)["state"] == "done"
    assert slot(where, 3, "enabled") is False
    where.run(300, step_s=0.5)
    assert slot(where, 3, "temp_c") < 40
    where.fleet.heal(STATION)
    where.run(1)
    assert slot(where, 3, "charger_on") is True
    assert slot(where, 3, "enabled") is True


def test_an_overheat_can_be_slow_and_of_a_chosen_height() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "overheat", {"slot": 2, "temp_c": 63, "rise_s": 600})
    where.run(300, step_s=1)
    assert slot(where, 2, "temp_c") < 55
    where.run(360, step_s=1)
    assert slot(where, 2, "temp_c") == 63.0


def test_cutting_the_power_stops_every_charger() -> None:
    where = town()
    assert obey(where, "cut_power")["state"] == "done"
    assert cabinet(where, "charging_enabled") is False
    assert all(slot(where, n, "charger_on") is False for n in range(1, 11))


def test_a_runaway_brings_smoke_then_silence_from_its_slot() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "runaway", {"slot": 4})
    where.run(180)
    assert [body["type"] for body in where.hub.of("event")] == ["runaway", "smoke"]
    assert cabinet(where, "smoke") is True
    before = len(where.hub.of("telemetry"))
    where.run(60)
    late = where.hub.of("telemetry")[before:]
    assert late
    assert all(part["n"] != 4 for body in late for part in body.get("slots", ()))


def test_a_silent_slot_is_left_out_and_a_dead_cabinet_says_nothing() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "slot_silent", {"slot": 5})
    before = len(where.hub.of("telemetry"))
    where.run(120, step_s=0.5)
    late = where.hub.of("telemetry")[before:]
    assert all(part["n"] != 5 for body in late for part in body.get("slots", ()))
    where.fleet.inject(STATION, "swap_cabinet/1", "dead")
    before = len(where.hub.of("telemetry"))
    where.tell(CABINET, prepare("unheard", "cut_power"))
    where.run(120, step_s=0.5)
    assert len(where.hub.of("telemetry")) == before
    assert where.hub.replies("unheard") == []


def test_a_slot_that_is_not_there_is_rejected() -> None:
    answer = obey(town(), "stop_charge", slot=11)
    assert (answer["state"], answer["reason"]) == ("rejected", "there is no slot 11")


def test_a_cabinet_of_48_slots_splits_its_report() -> None:
    where = town(slots=48)
    reports = [payload for topic, payload in where.sent if topic.endswith("telemetry")]
    assert len(reports) == 2
    assert max(len(payload) for payload in reports) < MAX_BYTES
    numbers = [part["n"] for body in where.hub.of("telemetry") for part in body["slots"]]
    assert numbers == list(range(1, 49))


def test_a_hot_battery_is_charged_gently_and_stays_below_fifty_degrees() -> None:
    hot = BatterySlot(1, "BT1", 20.0, 95.0, 44.0)
    temperatures = []
    for _ in range(4 * 60):
        hot.pass_time(60, 42.0)
        temperatures.append(hot.temp_c)
    assert max(temperatures) < 50
    assert hot.soc_pct >= 95


def test_after_a_fire_was_put_out_nothing_smokes_and_the_power_is_back() -> None:
    where = town()
    where.fleet.inject(STATION, "swap_cabinet/1", "runaway", {"slot": 3})
    where.run(120)
    assert cabinet(where, "smoke") is True
    assert obey(where, "cut_power")["state"] == "done"
    where.fleet.heal(STATION, "swap_cabinet/1", "runaway")
    where.fleet.set_back(STATION)
    where.run(60)
    assert cabinet(where, "smoke") is False
    assert cabinet(where, "charging_enabled") is True
