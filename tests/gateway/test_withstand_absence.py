"""The gateway, the broker or the database is away for a while: nothing is lost, and nobody cries wolf."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from gateway.service import Gateway
from tests.chaos import ledger
from tests.gateway.brokers import EMBEDDED, MOSQUITTO
from tests.gateway.chatter import alert_codes, chat, everything, has_caught_up
from tests.gateway.house import House
from tests.gateway.keeping_box import KeepingBox, talking
from tests.gateway.skipping_clock import SkippingClock
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LOCKED_S = float(os.environ.get("WAYSTATION_TEST_LOCKED_S", "8"))
AWAY_S = float(os.environ.get("WAYSTATION_TEST_AWAY_S", "10"))


def heard_itself_ms(gateway: Gateway) -> int:
    """When the gateway's markers last came back on both lanes."""
    return min(lane.last_back_ms for lane in gateway._markers.lanes.values())


def test_a_gateway_that_was_away_for_six_minutes_finds_no_wrong_clocks_and_no_silence(
    house: House, loop: MqttLoop
) -> None:
    """The known box goes on with its boot, the other starts anew while nobody listens."""
    house.clock = clock = SkippingClock()
    house.gateway()
    known, fresh = KeepingBox(house, loop, 1), KeepingBox(house, loop, 2)
    with talking(known):
        chat(known)
        eventually(lambda: known.held == 0, 10)
        eventually(has_caught_up(house), 15)
        house.stop_gateways()
        with talking(fresh):
            for _ in range(6):
                chat(known, fresh)
                clock.skip(minutes=1)
            eventually(lambda: known.box.in_flight == 0 and fresh.box.in_flight == 0, 10)
            returned_ms = clock.now_ms()
            gateway = house.gateway()
            eventually(lambda: known.held == 0 and fresh.held == 0, 20, saying="all that waited is kept")
            chat(known, fresh, rounds=2)
            eventually(lambda: known.held == 0 and fresh.held == 0, 10)
            eventually(
                lambda: gateway._markers.floor_ms(clock.now_ms()) is not None, 20, saying="it has caught up"
            )
            time.sleep(1.5)
            assert alert_codes(house) == []
            faults = house.rows("SELECT state FROM device_state WHERE kind='station'")
            assert not [state for (state,) in faults if '"clock_fault":true' in state.replace(" ", "")]
            late = house.rows(
                "SELECT count(*) FROM event WHERE at_ms < :ms AND received_ms >= :ms", ms=returned_ms
            )
            assert late[0][0] >= 100, "what waited counts under the time at which it happened"
            assert ledger.missing(house, everything(known, fresh)) == []
            assert ledger.doubled(house) == []
            # And yet real silence is heard of: both boxes go quiet, and the limit passes.
            for _ in range(33):
                clock.skip(minutes=1 / 6)
                eventually(lambda: heard_itself_ms(gateway) > clock.now_ms() - 5_000, 5)
            eventually(lambda: alert_codes(house).count("station_offline") == 2, 15)


@pytest.mark.parametrize("broker_kind", [EMBEDDED, MOSQUITTO], indirect=True)
def test_a_broker_that_was_away_for_six_minutes_leaves_no_silence_alert_and_no_gap(
    house: House, loop: MqttLoop
) -> None:
    house.clock = clock = SkippingClock()
    gateway = house.gateway()
    boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
    with talking(*boxes):
        chat(*boxes)
        eventually(lambda: all(box.held == 0 for box in boxes), 10)
        pid = house.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert house.broker.wait(10)
        away_until_s = time.monotonic() + AWAY_S
        while time.monotonic() < away_until_s:
            chat(*boxes, rounds=2)
            clock.skip(minutes=6 * 0.25 / AWAY_S)
            time.sleep(0.25)
        assert alert_codes(house) == []
        house.broker.start()
        eventually(lambda: all(box.held == 0 for box in boxes), 60, saying="everything is kept after all")
        eventually(lambda: gateway._hub.status().ready, 40)
        chat(*boxes, rounds=1)
        eventually(lambda: all(box.held == 0 for box in boxes), 10)
        eventually(
            lambda: gateway._markers.floor_ms(clock.now_ms()) is not None, 20, saying="it has caught up"
        )
        time.sleep(1.5)
    assert alert_codes(house) == []
    assert all(box.box.dropped == 0 for box in boxes)
    assert ledger.missing(house, everything(*boxes)) == []
    assert ledger.doubled(house) == []


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Somebody else holds what every batch needs."""
    sqlite = house.database.dialect == "sqlite"
    url = house.url if sqlite else house.url.replace("postgresql:", "postgresql+psycopg:", 1)
    engine = sa.create_engine(url, connect_args={"isolation_level": None} if sqlite else {})
    try:
        with engine.connect() as connection:
            if sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE").close()
            else:
                connection.exec_driver_sql("LOCK TABLE event, boot, shard IN ACCESS EXCLUSIVE MODE").close()
            yield
            if sqlite:
                connection.exec_driver_sql("ROLLBACK").close()
    finally:
        engine.dispose()


def test_while_the_database_is_locked_nothing_is_promised_and_the_connection_lives(
    house: House, loop: MqttLoop
) -> None:
    gateway = house.gateway()
    boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
    with talking(*boxes):
        chat(*boxes)
        eventually(lambda: all(box.held == 0 for box in boxes), 10)
        with locked(house):
            before = [set(box.promised) for box in boxes]
            unlocks_s = time.monotonic() + LOCKED_S
            while time.monotonic() < unlocks_s:
                chat(*boxes, rounds=1)
                time.sleep(0.1)
            assert [box.promised for box in boxes] == before
            status = gateway._hub.status()
            assert status.ready
            assert status.last_turn_age_s < 2
            assert [lane.losses for lane in status.lanes.values()] == [0, 0]
            assert "The database does not answer." in gateway.health.problems() or LOCKED_S < 6
        eventually(lambda: all(box.held == 0 for box in boxes), 20, saying="all of it is kept afterwards")
    assert gateway.health.problems() == []
    assert ledger.missing(house, everything(*boxes)) == []
    assert ledger.doubled(house) == []
