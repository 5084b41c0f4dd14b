"""The hub's own clock jumps, or the hub sleeps: no false alarms, and doors still open."""

from __future__ import annotations

import time

import pytest

from tests.chaos import ledger
from tests.gateway.chatter import alert_codes, chat, everything, has_caught_up
from tests.gateway.door import DoorBox, a_person
from tests.gateway.house import House
from tests.gateway.keeping_box import KeepingBox, talking
from tests.gateway.skipping_clock import SkippingClock
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration


def test_a_gateway_that_slept_for_six_minutes_does_not_take_its_own_sleep_for_silence(
    house: House, loop: MqttLoop
) -> None:
    house.clock = clock = SkippingClock()
    gateway = house.gateway()
    boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
    with talking(*boxes):
        chat(*boxes)
        eventually(lambda: all(box.held == 0 for box in boxes), 10)
        eventually(has_caught_up(house), 15)
        clock.skip(minutes=6)
        eventually(lambda: (gateway._markers.floor_ms(clock.now_ms()) or 0) > clock.now_ms() - 60_000, 20)
        time.sleep(1.5)
        assert alert_codes(house) == []
        chat(*boxes, rounds=1)
        eventually(lambda: all(box.held == 0 for box in boxes), 10)
    assert alert_codes(house) == []


@pytest.mark.parametrize("minutes", [60, -60])
def test_when_the_hubs_clock_jumps_by_an_hour_everything_goes_on(
    house: House, loop: MqttLoop, minutes: int
) -> None:
    """Only the hub's clock; the stations know better and stay as they are."""
    real = house.clock
    house.clock = clock = SkippingClock()
    gateway = house.gateway()
    house.clock = real
    door, other = DoorBox(house, loop, 1), KeepingBox(house, loop, 2)
    with talking(door, other), a_person(house) as person:
        chat(door, other)
        eventually(lambda: door.held + other.held == 0, 10)
        eventually(has_caught_up(house), 15)
        clock.skip(minutes=minutes)
        for _ in range(3):
            chat(door, other, rounds=3)
            eventually(lambda: door.held + other.held == 0, 5)
            assert person.opens(door) < 5
        beat_ms = house.rows("SELECT seen_ms FROM worker")[0][0]
        assert abs(beat_ms - clock.now_ms()) < 3_000, "the API must not believe that the hub is down"
        assert gateway.health.problems() == []
        eventually(lambda: gateway._markers.floor_ms(clock.now_ms()) is not None, 20)
        time.sleep(1)
    assert alert_codes(house) == []
    assert ledger.missing(house, everything(door, other)) == []
    assert ledger.doubled(house) == []
