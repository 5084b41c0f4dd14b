"""PostgreSQL restarts, cuts connections off or is slow: the gateway goes on, every message is there once."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.gateway.chatter import chat, everything
from tests.gateway.house import House, open_house
from tests.gateway.keeping_box import KeepingBox, talking
from tests.operate import counting
from tests.operate.own_postgresql import OwnServer, own_server
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

CUTS = 30
SLOW_S = 0.3


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture
def own_house(tmp_path: Path, server: OwnServer) -> Iterator[House]:
    with open_house(tmp_path / "var", server.url) as house:
        yield house


@pytest.fixture
def pg_house(tmp_path: Path, postgresql_url: str) -> Iterator[House]:
    with open_house(tmp_path / "var", postgresql_url) as house:
        yield house


def assert_all_is_there_once(house: House, *boxes: KeepingBox) -> int:
    """Everything that was said, and nothing twice; returns how much."""
    said = everything(*boxes)
    assert all(box.box.dropped == 0 for box in boxes)
    assert counting.missing(house.database, said) == []
    assert counting.doubled(house.database) == []
    return len(said)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_restart_of_the_server_costs_nothing(
    own_house: House, server: OwnServer, loop: MqttLoop, how: signal.Signals
) -> None:
    gateway = own_house.gateway()
    boxes = [KeepingBox(own_house, loop, number) for number in (1, 2)]
    with talking(*boxes):
        for _ in range(2):
            chat(*boxes)
            server.stop(how)
            chat(*boxes)
            eventually(lambda: any("database" in problem for problem in gateway.health.problems()), 10)
            promised = [set(box.promised) for box in boxes]
            chat(*boxes, rounds=3)
            assert [box.promised for box in boxes] == promised, "nothing is promised that cannot be kept"
            server.start()
            chat(*boxes)
            eventually(lambda: all(box.held == 0 for box in boxes), 20, saying="all of it is kept")
        eventually(lambda: gateway.health.problems() == [], 5)
        assert [lane.losses for lane in gateway._hub.status().lanes.values()] == [0, 0]
    print(
        f"{how.name}: 2 restarts, {assert_all_is_there_once(own_house, *boxes)} messages, lost 0, doubled 0"
    )


def test_connections_that_are_cut_again_and_again_cost_nothing(pg_house: House, loop: MqttLoop) -> None:
    rng = random.Random(5)
    gateway = pg_house.gateway()
    boxes = [KeepingBox(pg_house, loop, number) for number in (1, 2)]
    killer = sa.create_engine(pg_house.url.replace("postgresql:", "postgresql+psycopg:", 1))
    cut = 0
    with talking(*boxes), killer.connect() as connection:
        for _ in range(CUTS):
            chat(*boxes, rounds=1)
            time.sleep(rng.uniform(0, 0.03))
            others = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            cut += connection.scalar(sa.text(others)) or 0
        eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all of it is kept")
        eventually(lambda: gateway.health.problems() == [], 5)
    killer.dispose()
    kept = assert_all_is_there_once(pg_house, *boxes)
    print(f"{cut} connections cut in {CUTS} strikes, {kept} messages, lost 0, doubled 0")
    assert cut >= CUTS / 2


def test_a_slow_server_delays_promises_and_nothing_else(pg_house: House, loop: MqttLoop) -> None:
    """Every transaction that keeps events takes a third of a second longer."""
    with pg_house.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF current_setting('doze.by', true) IS DISTINCT FROM txid_current()::text THEN"
            f" PERFORM set_config('doze.by', txid_current()::text, true), pg_sleep({SLOW_S}); END IF;"
            " RETURN NULL; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER doze AFTER INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION doze()"
        )
    gateway = pg_house.gateway()
    boxes = [KeepingBox(pg_house, loop, number) for number in (1, 2)]
    with talking(*boxes):
        began_s = time.monotonic()
        while time.monotonic() - began_s < 3:
            chat(*boxes, rounds=1)
            time.sleep(0.05)
        eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all of it is kept")
        status = gateway._hub.status()
        assert [lane.losses for lane in status.lanes.values()] == [0, 0], "no connection was given up"
        assert gateway.health.problems() == []
    kept = assert_all_is_there_once(pg_house, *boxes)
    sendings = sum(box.sendings for box in boxes)
    print(f"{kept} messages at {SLOW_S} s a transaction, {sendings} sendings, lost 0, doubled 0")
