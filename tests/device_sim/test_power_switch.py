"""The simulated power switch: it obeys signed commands, and nothing makes it darken a room in use."""

from __future__ import annotations

from typing import Any

import pytest

from domain.ids import DeviceId
from tests.device_sim.stand_in import plan, prepare, signed
from tests.device_sim.town import KEY, Town

SWITCH = DeviceId("331002-0001", "power_switch", 1)
ID, NAME = SWITCH.station, "power_switch/1"


def town(*more: str, people: int = 0) -> Town:
    made = Town(plan("power_switch", *more, visits_per_day=0))
    made.join()
    made.run(1)
    for _ in range(people):
        enter(made)
    return made


def enter(where: Town) -> None:
    where.station.devices[NAME].behaviour._place.room.enter(where.clock.now + 10**9)  # type: ignore[attr-defined]


def order(where: Town, action: str, **args: int) -> str:
    """Give a command; the outcome is `done` or why not."""
    id_ = f"c{len(where.hub.of('reply'))}"
    where.tell(SWITCH, prepare(id_, action))
    where.tell(SWITCH, signed(KEY, SWITCH, id_, action, where.hub.nonce(id_), **args))
    last = where.hub.replies(id_)[-1]
    return str(last.get("reason") or last["state"])


def said(where: Town) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for body in where.hub.of("telemetry", "power_switch"):
        known |= {name: value for name, value in body.items() if name != "circuits"}
    return known


def circuit(where: Town, n: int) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for body in where.hub.of("telemetry", "power_switch"):
        for one in body.get("circuits", ()):
            if one["n"] == n:
                known |= one
    return known


def test_an_empty_room_is_powered_down_and_draws_less() -> None:
    where = town()
    where.run(120)
    before_w = said(where)["power_w"]
    assert order(where, "power_down") == "done"
    where.run(120)
    assert (said(where)["lights"], said(where)["ac_mode"]) == (False, "off")
    assert said(where)["power_w"] < before_w - 50


@pytest.mark.parametrize("action", ["power_down", "lights_off", "ac_off"])
def test_with_somebody_inside_nothing_that_they_use_is_switched_off(action: str) -> None:
    where = town(people=1)
    assert order(where, action) == "somebody is there"
    assert said(where)["lights"] is True


def test_who_comes_into_a_dark_room_has_light_at_once_without_any_hub() -> None:
    where = town()
    order(where, "power_down")
    where.line.cut()
    enter(where)
    where.run(1)
    where.join()
    where.run(2)
    assert said(where)["lights"] is True


def test_the_air_conditioning_takes_mode_and_setpoint() -> None:
    where = town()
    assert order(where, "ac_cool", setpoint_c=24) == "done"
    assert (said(where)["ac_mode"], said(where)["ac_setpoint_c"]) == ("cool", 24.0)
    assert order(where, "ac_heat", setpoint_c=20) == "done"
    assert (said(where)["ac_mode"], said(where)["ac_setpoint_c"]) == ("heat", 20.0)
    assert order(where, "ac_off") == "done"
    assert said(where)["ac_mode"] == "off"


def test_a_safety_cut_leaves_the_light_on_and_only_a_key_on_site_ends_it() -> None:
    where = town(people=2)
    where.fleet.inject(ID, NAME, "leakage")
    assert order(where, "cut_power") == "done"
    assert said(where)["cut"] is True
    assert [circuit(where, n)["on"] for n in (1, 2, 3, 4)] == [True, False, False, False]
    assert "key on site" in order(where, "ac_cool", setpoint_c=24)
    assert "key on site" in order(where, "switch_on", circuit=3)
    where.fleet.heal(ID, NAME)
    where.carry()
    assert said(where)["cut"] is False
    assert circuit(where, 3)["on"] is True


def test_a_circuit_is_switched_by_its_number() -> None:
    where = town()
    assert order(where, "switch_off", circuit=4) == "done"
    where.run(60)
    assert (circuit(where, 4)["on"], circuit(where, 4)["power_w"]) == (False, 0.0)
    assert circuit(where, 3)["on"] is True
    assert order(where, "switch_on", circuit=4) == "done"
    assert order(where, "switch_off", circuit=9) == "there is no circuit 9"
    assert order(where, "explode") == "unknown action"


def test_an_overload_a_hot_terminal_and_a_welded_relay_show_in_their_circuit() -> None:
    where = town()
    where.fleet.inject(ID, NAME, "overload", {"circuit": 3, "amps": 20})
    where.fleet.inject(ID, NAME, "hot_terminal", {"circuit": 4})
    where.fleet.inject(ID, NAME, "stuck_relay", {"circuit": 1})
    where.run(2_400, step_s=5)
    assert circuit(where, 3)["current_a"] > circuit(where, 3)["rated_a"]
    assert circuit(where, 4)["terminal_c"] > 70
    assert circuit(where, 1)["on"] is False
    assert circuit(where, 1)["power_w"] > 20


def test_a_tripped_breaker_is_an_event_of_its_circuit() -> None:
    where = town()
    where.fleet.inject(ID, NAME, "trip", {"circuit": 2})
    where.carry()
    (event,) = where.hub.events("tripped")
    assert event["circuit"] == 2
    assert circuit(where, 2)["tripped"] is True


def test_a_stuck_meter_stands_while_power_is_drawn() -> None:
    where = town()
    where.run(60)
    where.fleet.inject(ID, NAME, "meter_stuck")
    before_kwh = said(where)["energy_kwh"]
    where.run(3 * 3_600, step_s=30)
    assert said(where)["energy_kwh"] == pytest.approx(before_kwh, abs=0.02)
    assert said(where)["power_w"] > 100


def test_people_in_a_hot_room_switch_the_air_conditioning_on_and_a_broken_one_does_not_cool() -> None:
    def room_after(broken: bool) -> float:
        where = town("climate_sensor", people=2)
        house = where.station.devices[NAME].behaviour._place.house  # type: ignore[attr-defined]
        house.air_c = 33.0
        if broken:
            where.fleet.inject(ID, NAME, "ac_broken")
        where.run(3_600, step_s=10)
        assert said(where)["ac_mode"] == "cool"
        return float(house.air_c)

    assert room_after(broken=False) <= 26.0
    assert room_after(broken=True) > 26.5


def test_who_comes_on_site_turns_the_key() -> None:
    where = town()
    assert order(where, "cut_power") == "done"
    assert order(where, "ac_cool", setpoint_c=26) == "cut off for safety: turn the key on site"
    where.fleet.set_back(ID)
    assert order(where, "ac_cool", setpoint_c=26) == "done"
    where.run(60)
    assert said(where)["cut"] is False
    assert circuit(where, 3)["on"] is True
