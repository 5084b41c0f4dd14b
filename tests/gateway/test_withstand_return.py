"""Many stations come back at once after the broker, with a backlog: all live, nothing lost, no old alarms."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import ledger
from tests.gateway.chatter import everything, has_caught_up
from tests.gateway.house import House, open_house
from tests.gateway.keeping_box import KeepingBox, talking
from tests.gateway.skipping_clock import SkippingClock
from tests.waiting import eventually
from transport.loop import MqttLoop

STATIONS = int(os.environ.get("WAYSTATION_TEST_RETURNING", "60"))
AWAY_MIN = 8.0
STEP_MIN = 0.5
PROMISED_S = 60.0
Body = dict[str, Any]
DOOR: Body = {"bolt": "locked", "leaf": "closed", "mode": "normal", "forced": False, "mains_ok": True}
PEOPLE: Body = {"count_raw": 2, "presence": True}
SLOT: Body = {"n": 1, "state": "full", "temp_c": 28.0, "charger_temp_c": 30.0, "door": "closed"}
TROUBLES: tuple[tuple[Body, Body, Body], ...] = (
    ({"leaf": "open", "bolt": "unlocked"}, {}, {}),
    ({"bolt": "jammed"}, {}, {}),
    ({"mains_ok": False}, {}, {}),
    ({}, {}, {"charger_temp_c": 85.0, "door": "open"}),
    ({}, {"count_raw": -5}, {}),
)
"""What a door, a counter and a slot say meanwhile, instead of what they say before and after."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


class Neighbour(KeepingBox):
    """Tells everything twice a minute; each has trouble that is over before anybody can hear of it."""

    def __init__(self, house: House, loop: MqttLoop, number: int) -> None:
        super().__init__(house, loop, number)
        self._trouble = TROUBLES[number % len(TROUBLES)]
        self.is_forced = number % 10 == 4

    def _ready(self) -> None:
        super()._ready()
        self.tell(troubled=False)

    def tell(self, *, troubled: bool) -> None:
        """A full report of everything."""
        door, people, slot = self._trouble if troubled else ({}, {}, {})
        self.say("door_lock", "telemetry", DOOR | door)
        self.say("occupancy_sensor", "telemetry", PEOPLE | people)
        self.say("swap_cabinet", "telemetry", {"smoke": False, "mains_ok": True, "slots": [SLOT | slot]})

    def is_pried_open(self) -> None:
        """An emergency; nobody hears of it for now."""
        body = {"type": "forced", "bolt": "locked", "leaf": "open"}
        self.say("door_lock", "event", body, safety=True)


@pytest.fixture
def town(tmp_path: Path, migrated_url: str) -> Iterator[House]:
    with open_house(tmp_path / "var", migrated_url, STATIONS) as house:
        house.clock = SkippingClock()
        yield house


def test_all_are_live_again_nothing_is_lost_and_only_emergencies_of_the_time_between_are_told(
    town: House, loop: MqttLoop
) -> None:
    clock = town.clock
    assert isinstance(clock, SkippingClock)
    gateway = town.gateway()
    boxes = [Neighbour(town, loop, number) for number in range(1, STATIONS + 1)]
    with talking(*boxes):
        eventually(lambda: all(box.said and box.held == 0 for box in boxes), 30)
        eventually(has_caught_up(town), 15)
        assert town.rows("SELECT code FROM alert") == []
        conns = dict(town.rows("SELECT station, conn FROM speaker"))
        pid = town.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert town.broker.wait(10)
        live_through(boxes, clock)
        assert town.rows("SELECT code FROM alert") == []
        waited = sum(box.held for box in boxes)
        town.broker.start()
        eventually(lambda: are_live(town, conns), PROMISED_S, saying="every station is live again")
        eventually(lambda: all(box.held == 0 for box in boxes), PROMISED_S, saying="all that waited is kept")
        eventually(lambda: gateway._markers.floor_ms(clock.now_ms()) is not None, 20)
        for _ in range(6):
            clock.skip(minutes=0.5)
            for box in boxes:
                box.tell(troubled=False)
            eventually(lambda: all(box.held == 0 for box in boxes), 20)
    forced = sorted(box.station for box in boxes if box.is_forced)
    print(f"{STATIONS} stations came back with {waited} messages; {len(forced)} emergencies were among them")
    told = town.rows("SELECT station, code FROM alert ORDER BY station, code")
    assert [tuple(row) for row in told] == [(station, "door_forced") for station in forced]
    assert ledger.notices_per_alert(town) == []
    assert town.rows("SELECT action FROM command") == [], "old trouble made nobody act"
    assert sum(box.box.dropped for box in boxes) == 0
    assert ledger.missing(town, everything(*boxes)) == []
    assert ledger.doubled(town) == []


def live_through(boxes: list[Neighbour], clock: SkippingClock) -> None:
    """Eight minutes nobody hears of: trouble from the first to the sixth."""
    steps = round(AWAY_MIN / STEP_MIN)
    for step in range(steps):
        clock.skip(minutes=STEP_MIN)
        for box in boxes:
            if step == steps // 2 and box.is_forced:
                box.is_pried_open()
            box.tell(troubled=2 <= step < 12)


def are_live(house: House, conns: dict[str, int]) -> bool:
    """Every station has a newer connection in the gateway's eyes than it had."""
    rows = house.rows("SELECT station, conn FROM speaker WHERE link = 'online'")
    return len([station for station, conn in rows if conn > conns[station]]) == len(conns)
