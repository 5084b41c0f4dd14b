"""What the simulator breaks is what the rulebook finds: each fault raises its own alert, and no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from device_sim.station_plan import DevicePlan
from devices.decode import decode_event, decode_telemetry
from devices.registry import kinds
from devices.state import SELF
from domain import topics
from domain.ids import DeviceId
from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town
from tests.rules.hub import Hub, Message

STATION = "331002-0001"


class Watched:
    """A simulated device and the rules over it; what comes up goes through the real decoding."""

    def __init__(self, kind: str, **size: int) -> None:
        device = DevicePlan(kind=kind, size=size)
        self.town = Town(plan(devices=(device,), visits_per_day=0, swaps_per_day=0.0))
        self.device = DeviceId(STATION, kind, 1)
        self.hub = Hub(self.device)
        self._taken = 0
        self.town.join()
        self.run(1)

    def inject(self, fault: str, **args: float) -> None:
        self.town.fleet.inject(STATION, self.device.short, fault, args)

    def heal(self) -> None:
        self.town.fleet.heal(STATION)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.town.run(1, step_s=0.5)
            for topic, payload in self.town.sent[self._taken :]:
                address = topics.parse(topic)
                if address.device == self.device and address.leaf in ("telemetry", "event"):
                    self._take(address.leaf, payload)
            self._taken = len(self.town.sent)
            # A box that talks: only the device itself can be silent.
            self.hub.heard_ms = self.town.clock.now_ms()
            self.hub.wait_until(self.town.clock.now_ms())

    def _take(self, leaf: str, payload: bytes) -> None:
        kind, now_ms = kinds()[self.device.kind], self.town.clock.now_ms()
        body: dict[str, Any] = json.loads(payload)
        at_ms = int(body["ts"])
        if leaf == "telemetry":
            reading = decode_telemetry(kind, payload)
            message = Message(body["seq"], at_ms, reading.fields, reading.parts)
        else:
            told = decode_event(kind, payload)
            own = told.fields if told.part == SELF else {}
            parts = {told.part: told.fields} if told.part != SELF else {}
            message = Message(body["seq"], at_ms, own, parts, told.type, told.part)
        self.hub.take(message, max(now_ms, self.hub.now_ms))


@pytest.mark.parametrize(
    "kind, fault, seconds, codes",
    [
        ("door_lock", "tamper", 20, {"lock_tamper"}),
        ("door_lock", "mains_lost", 130, {"lock_power_lost"}),
        ("door_lock", "contradiction", 60, {"door_contradiction"}),
        ("door_lock", "stays_unlocked", 330, {"door_unlocked_long"}),
        ("door_lock", "lock_battery_low", 130, {"lock_battery_empty"}),
        ("door_lock", "held_open", 140, {"door_held_open"}),
        ("door_lock", "held_open", 640, {"door_open_long"}),
        ("door_lock", "jammed", 20, {"lock_jammed"}),
        ("door_lock", "forced", 5, {"door_forced"}),
        ("door_lock", "silent", 400, {"door_offline"}),
        ("swap_cabinet", "overheat", 30, {"battery_overheat"}),
        ("swap_cabinet", "runaway", 40, {"battery_runaway"}),
        ("swap_cabinet", "smoke", 5, {"cabinet_smoke"}),
        ("swap_cabinet", "mains_lost", 50, {"cabinet_power_lost"}),
        ("swap_cabinet", "flooded", 20, {"cabinet_flooded"}),
        ("swap_cabinet", "service_door", 20, {"cabinet_service_door"}),
        ("swap_cabinet", "estop", 10, {"cabinet_estop"}),
        ("swap_cabinet", "bay_hot", 20, {"cabinet_bay_hot"}),
        ("swap_cabinet", "out_of_order", 70, {"cabinet_fault"}),
        ("swap_cabinet", "slot_door", 130, {"slot_door_open"}),
        ("swap_cabinet", "slot_fault", 70, {"slot_fault"}),
        ("swap_cabinet", "bms", 20, {"battery_bms_fault"}),
        ("swap_cabinet", "cells_apart", 320, {"battery_cells_far_apart"}),
        ("swap_cabinet", "worn", 620, {"battery_worn"}),
        ("swap_cabinet", "charger_hot", 20, {"charger_hot"}),
        ("swap_cabinet", "overcurrent", 20, {"charger_overcurrent"}),
        ("swap_cabinet", "extinguisher", 5, {"extinguisher_fired"}),
        ("swap_cabinet", "contradiction", 320, {"slot_contradiction"}),
        ("swap_cabinet", "dead", 400, {"cabinet_offline"}),
        ("occupancy_sensor", "silent", 700, {"occupancy_offline"}),
    ],
)
def test_a_fault_raises_what_it_is_called_after(
    kind: str, fault: str, seconds: float, codes: set[str]
) -> None:
    watched = Watched(kind)
    watched.run(60)
    assert watched.hub.codes == set()
    watched.inject(fault)
    watched.run(seconds)
    assert watched.hub.codes == codes


def test_a_hot_battery_that_stays_hot_is_no_runaway_and_its_slot_is_asked_to_stop() -> None:
    watched = Watched("swap_cabinet", slots=10)
    watched.run(60)
    watched.inject("overheat", slot=3)
    watched.run(600)
    assert set(watched.hub.open) == {(3, "battery_overheat")}
    assert {one.command for one in watched.hub.asked} == {"stop_charge", "disable_slot"}


def test_a_battery_that_is_heated_within_seconds_is_taken_for_a_runaway() -> None:
    watched = Watched("swap_cabinet")
    watched.run(60)
    watched.inject("overheat", rise_s=20)
    watched.run(60)
    assert "battery_runaway" in watched.hub.codes


def test_a_hot_slot_that_falls_silent_is_taken_for_a_runaway_after_a_minute() -> None:
    watched = Watched("swap_cabinet", slots=10)
    watched.run(60)
    watched.inject("overheat", slot=3)
    watched.run(30)
    watched.inject("slot_silent", slot=3)
    watched.run(50)
    assert "silence_while_hot" not in watched.hub.codes
    watched.run(20)
    assert (3, "silence_while_hot") in watched.hub.open
    assert watched.hub.open[3, "silence_while_hot"].refuse_entry


@pytest.mark.parametrize("fault", ["mains_lost", "contradiction", "stays_unlocked"])
def test_what_is_healed_ends_by_itself(fault: str) -> None:
    watched = Watched("door_lock")
    watched.inject(fault)
    watched.run(400)
    assert watched.hub.codes
    watched.heal()
    watched.run(130)
    assert watched.hub.codes == set()


def test_wild_readings_do_not_move_the_median_and_a_lasting_one_does() -> None:
    watched = Watched("occupancy_sensor")
    watched.run(310)
    watched.inject("jumps", people=60)
    for _ in range(6):
        watched.run(60)
        assert watched.hub.state.own.values["count_median"] == 0.0
    watched.heal()
    watched.inject("drift", per_min=50)
    watched.run(600)
    median = watched.hub.state.own.values["count_median"]
    assert isinstance(median, float)
    assert median > 100
