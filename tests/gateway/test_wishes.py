"""What alerts want of devices: asked for once, and by the graver alert when that one takes over."""

from __future__ import annotations

import pytest

from devices.registry import kinds
from domain.ids import DeviceId, edge_box
from gateway.fleet import AlertKey, Fleet, Member, OpenAlertNote
from gateway.overlay import Ended, Overlay, Wanted
from gateway.wishes import Wishes
from rules.effects import Ask
from storage.commands import NewCommand

NOW_MS = 1_795_000_000_000
CABINET = DeviceId("331002-0001", "swap_cabinet", 1)
HOT, FIRE = (AlertKey(CABINET, 3, code) for code in ("battery_overheat", "battery_runaway"))


@pytest.fixture
def fleet() -> Fleet:
    found = Fleet()
    found.members[CABINET] = Member(CABINET, kinds()["swap_cabinet"], edge_box(CABINET.station), "331002")
    for key in (HOT, FIRE):
        note = OpenAlertNote(id=key.code, happened_ms=NOW_MS, refuse_entry=False, safety=False)
        found.note_opened(key, note)
    return found


def wanted(fleet: Fleet, because: AlertKey) -> Overlay:
    overlay = Overlay(fleet, NOW_MS)
    overlay.wanted.append(Wanted(Ask(CABINET, 3, "disable_slot", because.code, {"slot": 3}), because))
    return overlay


def rows(wishes: Wishes, overlay: Overlay, fleet: Fleet) -> list[NewCommand]:
    made = wishes.new_in(overlay, fleet)
    wishes.take(made)
    return [new for _, new in made]


def test_what_two_alerts_want_is_asked_for_once(fleet: Fleet) -> None:
    wishes = Wishes()
    assert [new.because for new in rows(wishes, wanted(fleet, HOT), fleet)] == ["alert:battery_overheat"]
    assert rows(wishes, wanted(fleet, FIRE), fleet) == []


def test_a_graver_alert_that_takes_over_asks_anew_for_what_the_lesser_one_wanted(fleet: Fleet) -> None:
    wishes = Wishes()
    (first,) = rows(wishes, wanted(fleet, HOT), fleet)
    overlay = wanted(fleet, FIRE)
    overlay.ended.append(Ended(HOT, fleet.open_alerts[HOT], NOW_MS, "superseded"))
    steps = wishes.settled(overlay, fleet)
    assert [(step.id, step.to_state, step.reason) for step in steps] == [(first.id, "failed", "alert_ended")]
    (second,) = rows(wishes, overlay, fleet)
    assert (second.action, second.args, second.because) == (
        "disable_slot",
        {"slot": 3},
        "alert:battery_runaway",
    )
    wishes.forget([first.id])
    assert len(wishes) == 1
