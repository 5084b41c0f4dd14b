"""What holds for every simulated kind: it speaks its kind's language, breaks, heals, and repeats itself."""

from __future__ import annotations

import itertools

import pytest

from device_sim.behaviour import behaviour_of, behaviours
from device_sim.fault_kind import UnknownFault
from device_sim.faults import STATION_FAULTS
from devices.registry import kinds
from tests.device_sim.stand_in import plan
from tests.device_sim.town import Town

EVERY_FAULT = [(kind, fault) for kind, behaviour in behaviours().items() for fault in behaviour.FAULTS]


def test_every_kind_is_played() -> None:
    assert set(behaviours()) == set(kinds())


def test_a_kind_that_nobody_plays_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownFault, match="door_lock"):
        behaviour_of("teapot")


@pytest.mark.parametrize("kind", sorted(behaviours()))
def test_after_a_start_every_metric_is_reported_at_once(kind: str) -> None:
    town = Town(plan(kind))
    town.join()
    town.carry()
    (report,) = town.hub.of("telemetry", kind)
    assert set(kinds()[kind].metrics) <= set(report)
    town.fleet.inject(town.station.plan.id, None, "no_power", {"for_s": 30})
    town.run(31)
    told = len(town.hub.kept)
    town.join()
    town.carry()
    assert set(kinds()[kind].metrics) <= set(town.telemetry_since(told)[kind])


@pytest.mark.parametrize("kind", sorted(behaviours()))
def test_after_a_reconnect_every_metric_comes_within_a_minute_and_nothing_is_said_for_it_alone(
    kind: str,
) -> None:
    town, undisturbed = Town(plan(kind, visits_per_day=0)), Town(plan(kind, visits_per_day=0))
    for one in (town, undisturbed):
        one.join()
        one.run(100)
    town.line.cut()
    town.join()
    told = len(town.hub.kept)
    for one in (town, undisturbed):
        one.run(60)
    assert set(kinds()[kind].metrics) <= set(town.telemetry_since(told)[kind])
    assert len(town.hub.of("telemetry", kind)) == len(undisturbed.hub.of("telemetry", kind))


@pytest.mark.parametrize("kind", sorted(behaviours()))
def test_hours_are_understood_whole_and_everything_is_reported_at_least_every_ten_minutes(kind: str) -> None:
    town = Town(plan(kind, visits_per_day=60))
    town.join()
    town.carry()
    town.run(6 * 3_600, step_s=5)
    assert town.hub.refused == []
    assert town.station.box.held == 0
    assert town.station.box.dropped == 0
    for name, metric in kinds()[kind].metrics.items():
        times = [body["ts"] for body in town.hub.of("telemetry", kind) if name in body]
        longest_ms = max(after - before for before, after in itertools.pairwise(times))
        assert longest_ms <= 610_000
        if metric.fresh_s < 600:
            assert longest_ms < metric.fresh_s * 1000, f"{name} would grow stale"


@pytest.mark.parametrize("kind,fault", EVERY_FAULT)
def test_every_fault_of_a_device_breaks_and_heals_in_words_that_the_hub_knows(kind: str, fault: str) -> None:
    town = Town(plan(kind, visits_per_day=300))
    town.join()
    town.run(60, step_s=0.5)
    town.fleet.inject(town.station.plan.id, f"{kind}/1", fault)
    town.run(300, step_s=0.5)
    assert town.fleet.status()[0]["faults"] == [f"{kind}/1 {fault}"]
    assert town.fleet.heal(town.station.plan.id, f"{kind}/1") == [f"{kind}/1 {fault}"]
    town.run(300, step_s=0.5)
    assert town.hub.refused == []
    assert town.hub.of("telemetry", kind)[-1]["ts"] > town.clock.now - 60_000


@pytest.mark.parametrize("fault", sorted(STATION_FAULTS))
def test_after_every_fault_of_a_station_the_buffer_empties(fault: str) -> None:
    town = Town(plan("door_lock", "occupancy_sensor", visits_per_day=300))
    town.join()
    town.run(30)
    town.fleet.inject(town.station.plan.id, None, fault)
    town.run(30)
    town.fleet.heal(town.station.plan.id)
    for _ in range(30):
        town.join()
        town.run(1)
    town.run(30)
    assert town.station.box.held == 0
    assert town.fleet.status()[0]["faults"] == []
    kept = [(one.envelope.boot, one.envelope.seq) for one in town.hub.kept]
    assert len(kept) == len(set(kept))


def messages_of(seed: int) -> list[tuple[str, bytes]]:
    town = Town(plan("door_lock", "occupancy_sensor", "swap_cabinet", visits_per_day=200), seed=seed)
    town.join()
    town.run(900, step_s=0.5)
    town.fleet.inject(town.station.plan.id, "swap_cabinet/1", "overheat")
    town.run(120, step_s=0.5)
    return town.sent


def test_the_same_seed_says_the_same_and_another_seed_something_else() -> None:
    once = messages_of(7)
    assert once == messages_of(7)
    assert once != messages_of(8)
    assert len(once) > 150
