"""Faults of a station's line, clock and buffer, as the hub sees them."""

from __future__ import annotations

import pytest

from device_sim.edge_box import BoxSettings
from device_sim.fault_kind import UnknownFault
from tests.device_sim.stand_in import START_MS, plan
from tests.device_sim.town import Town

STATION = "331002-0001"


def town(**box: int) -> Town:
    made = Town(
        plan("door_lock", "occupancy_sensor", visits_per_day=0), box=BoxSettings(**box) if box else None
    )
    made.join()
    made.run(1)
    return made


def test_a_dead_link_keeps_what_happens_and_brings_it_all_when_it_is_back() -> None:
    where = town()
    where.fleet.inject(STATION, None, "dead_link", {"seconds": 120})
    arrived = where.hub.arrivals
    where.run(119)
    assert where.hub.arrivals == arrived
    assert [line.wanted for line in where.lines.values()] == [False]
    assert where.station.box.held >= 12
    where.run(2)
    assert [line.wanted for line in where.lines.values()] == [True]
    where.join()
    where.carry()
    assert where.station.box.held == 0
    assert where.station.box.dropped == 0
    assert [one.envelope.seq for one in where.hub.kept] == list(range(len(where.hub.kept)))
    assert [link["conn"] for link in where.hub.links if link["online"]][-1] == 2


def test_a_fault_that_is_injected_again_lasts_as_long_as_the_second_time() -> None:
    where = town()
    where.fleet.inject(STATION, "door_lock/1", "link_freeze", {"seconds": 10})
    where.run(8)
    where.fleet.inject(STATION, "door_lock/1", "link_freeze", {"seconds": 10})
    where.run(8)
    assert where.fleet.status()[0]["faults"] == ["door_lock/1 link_freeze"]
    where.run(3)
    assert where.fleet.status()[0]["faults"] == []


def test_a_small_buffer_says_how_much_it_dropped() -> None:
    where = town(capacity=20)
    where.fleet.inject(STATION, None, "dead_link", {"seconds": 600})
    where.run(601)
    where.join()
    where.carry()
    assert where.hub.links[-1]["dropped"] == where.station.box.dropped > 30
    assert where.station.box.held == 0


def test_a_clock_that_is_off_shows_in_every_message_and_in_no_behaviour() -> None:
    where = town()
    where.fleet.inject(STATION, None, "clock_off", {"minutes": 90})
    before = len(where.hub.kept)
    where.run(60)
    stamps = [one.envelope.ts_ms for one in where.hub.kept[before:]]
    assert len(stamps) >= 6
    assert all(stamp is not None and stamp > START_MS + 90 * 60_000 for stamp in stamps)


def test_duplicates_are_sent_and_counted_once() -> None:
    where = town()
    where.fleet.inject(STATION, None, "duplicates")
    sent, kept = len(where.sent), len(where.hub.kept)
    where.run(60)
    assert len(where.sent) - sent == 2 * (len(where.hub.kept) - kept) > 10
    assert where.station.box.held == 0


def test_reordered_messages_all_arrive() -> None:
    where = town()
    where.fleet.inject(STATION, None, "reordering", {"seconds": 30})
    where.run(300)
    order = [one.envelope.seq for one in where.hub.kept]
    assert order != sorted(order)
    where.fleet.heal(STATION)
    where.run(60)
    assert sorted(one.envelope.seq for one in where.hub.kept) == list(
        range(where.hub.marks["boot0"].upto + 1)
    )
    assert where.station.box.dropped == 0


def test_garbage_is_given_up_after_five_times_and_counted() -> None:
    where = town()
    where.fleet.inject(STATION, None, "garbage", {"every": 5})
    where.run(120)
    where.fleet.heal(STATION)
    where.run(30)
    rubbish = set(where.hub.refused)
    assert len(rubbish) >= 2
    assert len(where.hub.refused) == 6 * len(rubbish)
    assert where.station.box.dropped == len(rubbish)
    assert where.station.box.held == 0


def test_lost_publishes_are_made_good() -> None:
    where = town()
    where.fleet.inject(STATION, None, "lost", {"every": 3})
    where.run(300)
    where.fleet.heal(STATION)
    where.run(30)
    assert where.station.box.held == 0
    assert where.station.box.dropped == 0
    assert sorted(one.envelope.seq for one in where.hub.kept) == list(range(len(where.hub.kept)))


def test_a_new_database_gets_again_what_the_station_still_has() -> None:
    where = town(keep_acked_s=86_400)
    where.run(60)
    first = [one.envelope.seq for one in where.hub.kept]
    where.hub.lose_everything("store-2")
    where.run(30)
    assert set(first) <= {one.envelope.seq for one in where.hub.kept}
    assert where.station.box.held == 0


def test_a_silent_hub_costs_nothing_but_time() -> None:
    where = town()
    where.hub_answers = False
    where.run(900, step_s=0.5)
    held = where.station.box.held
    assert held > 90
    assert where.station.box.dropped == 0
    where.hub_answers = True
    where.run(600, step_s=0.5)
    assert where.station.box.held == 0
    assert where.station.box.dropped == 0


@pytest.mark.parametrize(
    "station,device,fault,args,says",
    [
        ("331002-9999", None, "no_clock", {}, "331002-0001"),
        (STATION, "teapot/1", "jammed", {}, "door_lock/1, occupancy_sensor/1"),
        (
            STATION,
            "door_lock/1",
            "overheat",
            {},
            "forced, jammed, held_open, lock_battery_low, stays_unlocked",
        ),
        (STATION, None, "jammed", {}, "dead_link"),
        (STATION, None, "clock_off", {"hours": 1}, "it takes: minutes, for_s"),
        (STATION, None, "clock_off", {"minutes": "x"}, "must be a number"),
        (STATION, None, "lost", {"every": 1}, "must be between 2 and"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    station: str, device: str | None, fault: str, args: dict[str, object], says: str
) -> None:
    with pytest.raises(UnknownFault, match=says):
        town().fleet.inject(station, device, fault, args)


def test_a_sign_of_life_says_one_thing_that_is_so() -> None:
    kinds = ("door_lock", "occupancy_sensor", "climate_sensor", "power_switch", "water_dispenser",
             "swap_cabinet")  # fmt: skip
    where = Town(plan(*kinds, visits_per_day=300))
    where.join()
    where.run(900)
    before = len(where.hub.kept)
    where.fleet.show(STATION, kinds)
    shown = where.telemetry_since(before)
    assert shown.keys() == set(kinds)
    before = len(where.hub.kept)
    where.fleet.report(STATION, kinds)
    whole = where.telemetry_since(before)
    for kind, body in shown.items():
        ((name, value),) = body.items()
        assert whole[kind][name] == value
