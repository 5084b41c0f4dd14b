"""No door opens late: whatever freezes between the tap and the bolt, and whatever the lock's clock shows.

Links freeze for ten seconds here instead of forty: the hub is done with an unlock after eight, and the lock's
own monotonic seconds are moved on by the rest.
"""

from __future__ import annotations

import time

import pytest

from tests.gateway.door import DoorBox, a_person
from tests.gateway.house import House
from tests.gateway.keeping_box import talking
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000
FROZEN_S = 10.0


@pytest.mark.parametrize("clock_off_ms", [0, HOUR_MS, -HOUR_MS])
def test_a_door_opens_whatever_its_clock_shows(house: House, loop: MqttLoop, clock_off_ms: int) -> None:
    house.gateway()
    door = DoorBox(house, loop, clock_off_ms=clock_off_ms)
    with talking(door), a_person(house) as person:
        eventually(lambda: door.box.connected, 10)
        assert person.opens(door) < 2
    assert len(door.moved) == 1


@pytest.mark.parametrize("clock_off_ms", [0, HOUR_MS])
def test_a_lock_whose_link_froze_after_the_tap_does_not_move_when_it_thaws(
    house: House, loop: MqttLoop, clock_off_ms: int
) -> None:
    """One link freezes before the question for a nonce, the other before the signed command."""
    house.gateway()
    doors = [DoorBox(house, loop, number, clock_off_ms=clock_off_ms) for number in (1, 2)]
    early, late = doors
    with talking(*doors), a_person(house) as person:
        eventually(lambda: all(door.box.connected for door in doors), 10)
        early.frozen = True
        late.frozen_before_signed = True
        thaws_s = time.monotonic() + FROZEN_S
        asked = [person.tap(door) for door in doors]
        outcomes = [("no_answer", "no_nonce"), ("expired", "not_confirmed")]
        eventually(lambda: [person.sees(id_) for id_ in asked] == outcomes, FROZEN_S + 3)
        eventually(lambda: time.monotonic() >= thaws_s, FROZEN_S + 1)
        assert all(len(door.waiting) >= 2 for door in doors), "the hub asked again while there was time"
        for door in doors:
            door.skipped_s = 40.0 - FROZEN_S
            door.thaw()
        eventually(lambda: all(door.held == 0 for door in doors), 5, saying="the hub has every reply")
        assert [door.moved for door in doors] == [[], []]
        assert {reply["state"] for reply in late.replies} == {"nonce", "rejected"}
        assert [person.sees(id_) for id_ in asked] == outcomes
        again = [person.tap(door) for door in doors]
        eventually(lambda: all(person.sees(id_) == ("opened", None) for id_ in again), 5)
        assert [door.moved for door in doors] == [[id_] for id_ in again]
