"""The broker is started again while people look at the overview: every station is soon shown again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api import divisions
from api.app import create_app
from api.board import Board
from api.options import ApiOptions
from api.sessions import SessionKeys
from api.state import ApiState
from rules.calendar import Calendar
from rules.station_view import Timetables
from runtime.first_stations import DIVISIONS
from storage.series import SqlSeries
from tests.api.serving import EventClient, serving
from tests.gateway.chatter import chat
from tests.gateway.house import House, open_house
from tests.gateway.keeping_box import KeepingBox, talking
from tests.gateway.skipping_clock import SkippingClock
from tests.waiting import eventually
from transport.bus import HubBus
from transport.loop import MqttLoop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STATIONS = 40
PROMISED_S = 3.0
DEADLINE_S = 60.0
AWAY_S = 4.0
DOOR = {"bolt": "locked", "leaf": "closed", "mode": "normal", "forced": False}


class ReportingBox(KeepingBox):
    """Reports in full after every connect, as the contract says, and remembers when that was."""

    back_s = 0.0

    def _ready(self) -> None:
        super()._ready()
        self.back_s = time.monotonic()
        self.say("door_lock", "telemetry", DOOR)
        self.say("occupancy_sensor", "telemetry", {"count_raw": 4, "presence": True})


@pytest.fixture
def town(tmp_path: Path, migrated_url: str) -> Iterator[House]:
    with open_house(tmp_path / "var", migrated_url, STATIONS) as house:
        house.clock = SkippingClock()
        yield house


@contextmanager
def overview(house: House) -> Iterator[EventClient]:
    """A live page over an API of its own, which hears hints from the broker."""

    def on_hint(topic: str, payload: bytes) -> None:
        state.on_hint(topic, payload)

    bus = HubBus(
        "127.0.0.1", house.mqtt_port, "api-of-the-test", username="api",
        password=house.secrets.broker_passwords["api"],
        on_hint=on_hint,
    )  # fmt: skip
    timetables = Timetables(Calendar())
    state = ApiState(
        db=house.database, hints=bus, clock=house.clock, options=ApiOptions(base_url="http://test"),
        sessions=SessionKeys(house.secrets.sessions), series=SqlSeries(), timetables=timetables,
        board=Board(house.database, house.clock, timetables), counties=divisions.load(DIVISIONS),
    )  # fmt: skip
    bus.start()
    try:
        with serving(create_app(state)) as served:
            page = EventClient(served.port, "/api/v1/live")
            assert page.head().startswith("HTTP/1.1 200")
            yield page
            page.close()
    finally:
        bus.stop()


def watch(page: EventClient, states: dict[str, tuple[str, float]], wanted: str) -> None:
    """Read the page until it shows every station in this state; each with when it began to."""
    deadline_s = time.monotonic() + DEADLINE_S
    while [state for state, _ in states.values()].count(wanted) < STATIONS:
        assert time.monotonic() < deadline_s, f"not all {wanted} in {DEADLINE_S:g} s: {states}"
        event = page.next()
        assert event is not None
        for one in event.data.get("stations", ()):
            state = one["availability"]["state"]
            if states.get(one["id"], ("", 0.0))[0] != state:
                states[one["id"]] = (state, event.at_s)


def test_every_station_is_shown_again_soon_after_it_is_back(town: House) -> None:
    clock = town.clock
    assert isinstance(clock, SkippingClock)
    town.gateway()
    loop = MqttLoop("town")
    loop.start()
    boxes = [ReportingBox(town, loop, number) for number in range(1, STATIONS + 1)]
    try:
        with overview(town) as page, talking(*boxes):
            shown: dict[str, tuple[str, float]] = {}
            watch(page, shown, "open")
            pid = town.broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert town.broker.wait(10)
            away_until_s = time.monotonic() + AWAY_S
            while time.monotonic() < away_until_s:
                chat(*boxes[:2], rounds=1)
                clock.skip(minutes=8 * 0.25 / AWAY_S)
                time.sleep(0.25)
            watch(page, shown, "unknown")
            restarted_s = time.monotonic()
            town.broker.start()
            watch(page, shown, "open")
            eventually(lambda: all(box.held == 0 for box in boxes), DEADLINE_S)
    finally:
        loop.stop(5)
    late_s = sorted(shown[box.station][1] - box.back_s for box in boxes)
    back_s = sorted(box.back_s - restarted_s for box in boxes)
    print(
        f"{STATIONS} stations: back {back_s[0]:.2f} to {back_s[-1]:.2f} s after the broker, shown again "
        f"{late_s[len(late_s) // 2]:.2f} s (median) and {late_s[-1]:.2f} s (last) after that; "
        f"promised: {PROMISED_S:g} s"
    )
    assert back_s[0] > 0, "all connections were new"
    assert late_s[-1] < 5 * PROMISED_S, "shown again, with patience for a busy machine"
