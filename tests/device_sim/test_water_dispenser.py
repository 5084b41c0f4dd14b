"""The simulated water dispenser: every fault raises what it must, a healthy week nothing, and it obeys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from device_sim.water_faults import FAULTS
from devices.decode import decode_event, decode_telemetry
from devices.registry import kind_of
from domain.ids import DeviceId
from tests.device_sim.stand_in import START_MS, plan, prepare, signed
from tests.device_sim.town import KEY, Town
from tests.rules.hub import T0, Hub, Message

WATER = DeviceId("331002-0001", "water_dispenser", 1)
ID, NAME = WATER.station, "water_dispenser/1"
KIND = kind_of("water_dispenser")


class Watched:
    """A station with a dispenser, and the rules that look at what it says."""

    def __init__(self, *more: str, visits_per_day: float = 0) -> None:
        self.town = Town(plan("water_dispenser", *more, visits_per_day=visits_per_day))
        self.rules = Hub(WATER)
        self._seen = 0
        self.town.join()
        self.town.run(1)

    def look(self) -> Hub:
        """Let the rules see what was said since they last looked."""
        kept = self.town.hub.kept
        for one in kept[self._seen :]:
            if one.topic.device.kind != "water_dispenser" or one.topic.leaf not in ("telemetry", "event"):
                continue
            payload = json.dumps(one.body).encode()
            at_ms = self._at(one.body["ts"])
            if one.topic.leaf == "telemetry":
                reading = decode_telemetry(KIND, payload)
                message = Message(one.envelope.seq, at_ms, reading.fields, reading.parts)
            else:
                what = decode_event(KIND, payload)
                own, parts = (what.fields, {}) if what.part == 0 else ({}, {what.part: what.fields})
                message = Message(one.envelope.seq, at_ms, own, parts, what.type, what.part)
            self.rules.wait_until(at_ms)
            self.rules.take(message, max(at_ms, self.rules.now_ms))
        self._seen = len(kept)
        self.rules.wait_until(self._at(self.town.clock.now))
        return self.rules

    def _at(self, ts: int | None) -> int:
        assert ts is not None
        return T0 + ts - START_MS

    def come_in(self, people: int = 1) -> None:
        room = self.town.station.devices[NAME].behaviour._place.room  # type: ignore[attr-defined]
        for _ in range(people):
            room.enter(self.town.clock.now + 10**9)

    def run(self, minutes: float, step_s: float = 2.0) -> None:
        self.town.run(minutes * 60, step_s=step_s)

    def drinkers(self, minutes: int) -> None:
        """Somebody comes in every other minute."""
        for _ in range(minutes // 2):
            self.come_in()
            self.run(2, step_s=5)

    @property
    def codes(self) -> set[str]:
        return {code for _, code in self.look().open}

    @property
    def ever(self) -> set[str]:
        return {alert.code for alert in self.look().opened}

    @property
    def asked(self) -> set[str]:
        return {ask.command for ask in self.look().asked}

    def known(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for body in self.town.hub.of("telemetry", "water_dispenser"):
            found |= {name: value for name, value in body.items() if name != "filters"}
        return found

    def order(self, action: str) -> str:
        id_ = f"c{len(self.town.hub.of('reply'))}"
        self.town.tell(WATER, prepare(id_, action))
        self.town.tell(WATER, signed(KEY, WATER, id_, action, self.town.hub.nonce(id_)))
        last = self.town.hub.replies(id_)[-1]
        return str(last.get("reason") or last["state"])


RAISES = {
    "leak": ("water_leak", 2, False),
    "seep": ("water_hidden_leak", 15, False),
    "no_inflow": ("water_low", 8, False),
    "high_pressure": ("water_inlet_pressure", 8, False),
    "no_heat": ("heater_fault", 40, False),
    "dry_burn": ("dry_burn", 5, False),
    "bad_water": ("water_quality", 12, False),
    "worn_membrane": ("water_membrane_worn", 45, False),
    "filter_due": ("filter_due", 3, False),
    "filter_expired": ("filter_expired", 3, False),
    "stuck_tap": ("water_tap_open", 8, False),
    "no_flow": ("water_no_flow", 20, True),
    "float_stuck": ("water_float_stuck", 4, False),
    "uv_dead": ("uv_lamp_dark", 20, True),
    "uv_old": ("uv_lamp_due", 3, False),
    "hot_inlet": ("water_inlet_temp", 15, False),
    "not_sanitised": ("water_sanitise_due", 3, False),
    "out_of_order": ("water_machine_fault", 4, False),
}
"""Fault: the alert that it must raise, within so many minutes, and whether somebody must drink for it."""
SAYS_NOTHING = {"tds_wild", "tds_stuck", "silent"}


def test_every_fault_has_an_expectation() -> None:
    assert set(RAISES) | SAYS_NOTHING == set(FAULTS)


@pytest.mark.parametrize("fault", RAISES)
def test_a_fault_raises_its_alert_and_mending_it_ends_it(fault: str) -> None:
    code, minutes, thirsty = RAISES[fault]
    where = Watched()
    where.run(6)
    assert where.ever == set()
    where.town.fleet.inject(ID, NAME, fault)
    if thirsty:
        where.drinkers(minutes)
    else:
        where.run(minutes)
    assert code in where.codes
    where.town.fleet.heal(ID, NAME)
    (where.drinkers if thirsty else where.run)(16)
    latched = {alert.code for alert in where.look().opened if alert.latch}
    assert where.codes <= latched, "what is mended is over, but for what a person resets"


@pytest.mark.integration
def test_a_very_busy_day_raises_nothing() -> None:
    where = Watched("door_lock", "occupancy_sensor", visits_per_day=400)
    before = where.known()["dispensed_litres"]
    where.run(24 * 60, step_s=5)
    assert 80 < where.known()["dispensed_litres"] - before < 250
    assert where.ever == set()


def test_a_day_without_anybody_is_rinsed_and_told_to_nobody() -> None:
    where = Watched()
    where.run(24 * 60 + 30, step_s=30)
    assert where.ever == {"water_rinse"}
    assert where.asked == {"flush"}
    assert where.order("flush") == "done"
    where.run(3)
    assert where.codes == set()
    assert where.known()["state"] == "idle"


def test_one_wild_reading_of_the_probe_is_no_alert() -> None:
    where = Watched()
    where.town.fleet.inject(ID, NAME, "tds_wild")
    where.run(60, step_s=5)
    said = [body["tds_out"] for body in where.town.hub.of("telemetry") if "tds_out" in body]
    assert 900.0 in said
    assert where.ever == set()


def test_a_stuck_probe_shows_after_two_days_of_use() -> None:
    where = Watched()
    where.town.fleet.inject(ID, NAME, "tds_stuck")
    for _ in range(50):
        where.come_in(2)
        where.run(60, step_s=20)
    assert "water_probe_stuck" in where.codes


def test_a_leak_is_shut_off_and_only_a_person_lets_water_in_again() -> None:
    where = Watched()
    where.town.fleet.inject(ID, NAME, "leak")
    where.run(1)
    assert where.asked == {"close_valve"}
    assert where.order("close_valve") == "done"
    assert where.known()["valve_closed"] is True
    assert where.order("open_valve") == "the floor is still wet"
    where.town.fleet.heal(ID, NAME)
    where.run(1)
    assert where.known()["valve_closed"] is False


def test_a_dry_boiler_cools_once_its_power_is_cut() -> None:
    where = Watched()
    where.town.fleet.inject(ID, NAME, "dry_burn")
    where.run(3)
    assert where.known()["hot_temp_c"] > 102
    assert {"cut_power", "close_valve"} <= where.asked
    assert where.order("cut_power") == "done"
    assert where.order("restore_power") == "the boiler is dry"
    hot_c = where.known()["hot_temp_c"]
    where.run(20)
    assert where.known()["hot_temp_c"] < hot_c
    assert where.known()["cut"] is True


def test_stopped_taps_give_nothing_until_they_may_again() -> None:
    where = Watched()
    before = where.known()["dispensed_litres"]
    assert where.order("stop_supply") == "done"
    where.drinkers(20)
    assert (where.known()["serving"], where.known()["dispensed_litres"]) == (False, before)
    assert where.order("resume_supply") == "done"
    where.drinkers(20)
    assert where.known()["dispensed_litres"] > before


def test_those_who_come_drink_and_the_tank_fills_and_heats_again() -> None:
    where = Watched()
    before = where.known()["dispensed_litres"]
    where.drinkers(60)
    known = where.known()
    assert 5 < known["dispensed_litres"] - before < 30
    assert known["tank_level_pct"] > 60
    assert known["hot_temp_c"] >= 85


def test_without_mains_it_says_nothing_and_reports_everything_afterwards() -> None:
    where = Watched("power_switch")
    where.town.fleet.inject(ID, "power_switch/1", "mains_lost")
    where.run(1)
    heard = len(where.town.hub.of("telemetry", "water_dispenser"))
    where.run(30)
    assert len(where.town.hub.of("telemetry", "water_dispenser")) == heard
    where.town.fleet.heal(ID, "power_switch/1")
    where.run(2)
    assert set(KIND.metrics) <= set(where.town.hub.of("telemetry", "water_dispenser")[heard])


def test_who_comes_on_site_lets_water_in_again_but_not_while_it_leaks() -> None:
    watched = Watched()
    town = watched.town
    town.fleet.inject(ID, NAME, "leak", {})
    behaviour = town.station.devices[NAME].behaviour
    assert behaviour.on_command(town.clock.now, "c1", "close_valve", {}).state == "done"
    town.fleet.set_back(ID)
    assert valve_closed(town) is True
    town.fleet.heal(ID, NAME, "leak")
    assert behaviour.on_command(town.clock.now, "c2", "close_valve", {}).state == "done"
    town.fleet.set_back(ID)
    assert valve_closed(town) is False


def valve_closed(town: Town) -> bool:
    town.run(10)
    return bool([body for body in town.hub.of("telemetry") if "valve_closed" in body][-1]["valve_closed"])
